"""``rbgp generate``: a graph of a family, or a Ramanujan graph of a given shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Group, examples, force_option, rng_option
from rbgp_graphs.cli.files import check_output
from rbgp_graphs.cli.output import Result, working
from rbgp_graphs.selection.ramanujan import Method

_F = TypeVar("_F", bound=Callable[..., Any])

_OUT_HELP = "Write the graph to this .rbgp file; without it only the facts are printed."


@click.group(
    cls=Group,
    epilog=examples(
        "rbgp generate lps 5 29 -o lps.rbgp",
        "rbgp generate field-lift 8 8 --j 2",
        "rbgp generate ramanujan 256 512 32 -o graph.rbgp",
    ),
)
def generate() -> None:
    """Build a bipartite graph and print its facts."""


def _family(*lines: str) -> Callable[[_F], click.Command]:
    """Make a subcommand with the options that all families share."""

    def decorate(function: _F) -> click.Command:
        for option in (
            click.option("--girth", is_flag=True, help="Also find the length of a shortest cycle."),
            force_option,
            click.option("-o", "--out", metavar="FILE", help=_OUT_HELP),
        ):
            function = option(function)
        return generate.command(epilog=examples(*lines))(function)

    return decorate


def _result(
    build: Callable[[], rg.BipartiteGraph], out: str | None, force: bool, girth: bool
) -> Result:
    if out is not None:
        check_output(out, force, ".rbgp")
    with working("building the graph"):
        graph = build()
        data, words = facts.describe(graph)
        if girth:
            length = graph.girth()
            data["girth"] = int(length) if math.isfinite(length) else None
            words["girth"] = str(data["girth"] or "none, there is no cycle")
        if out is not None:
            data["file_bytes"] = rg.save(out, graph, overwrite=force)
            words["file"] = f"{out}, {data['file_bytes']:,} bytes"
    return Result(data={**data, "file": out}, text=[words])


@_family("rbgp generate complete 4 32", "rbgp generate complete 64 64 -o full.rbgp")
@click.argument("left", type=int)
@click.argument("right", type=int)
def complete(left: int, right: int, **output: Any) -> Result:
    """Build the complete graph."""
    return _result(lambda: rg.complete(left, right), **output)


@_family("rbgp generate lps 5 29 -o lps.rbgp", "rbgp generate lps 3 5 --girth")
@click.argument("p", type=int)
@click.argument("q", type=int)
@click.option("--allow-small", is_flag=True, help="Accept q with q^2 <= 4p.")
def lps(p: int, q: int, allow_small: bool, **output: Any) -> Result:
    """Build the Ramanujan graph X^{P,Q}.

    It is that of Lubotzky, Phillips and Sarnak. P and Q are different odd primes with Q^2 > 4P.
    The graph has Q(Q^2-1)/2 vertices a side and degree P+1.
    """
    return _result(lambda: rg.lps(p, q, allow_small=allow_small), **output)


@_family("rbgp generate field-lift 8 8", "rbgp generate field-lift 4 4 --j 4 --m 2 -o lift.rbgp")
@click.argument("q", type=int)
@click.argument("b", type=int)
@click.option("--m", type=int, default=1, show_default=True, help="Powers of the field elements.")
@click.option("--j", type=int, help="Digits of the voltages that are used; all by default.")
def field_lift(q: int, b: int, m: int, j: int | None, **output: Any) -> Result:
    """Build a lift of K_{Q,B} over a finite field.

    The field has Q = p^k elements, p prime. The graph has Q p^J left and B p^J right vertices
    and degrees B and Q; J is at most M k.
    """
    return _result(lambda: rg.field_lift(q, b, m, j), **output)


@_family("rbgp generate projective-plane 7 -o plane.rbgp")
@click.argument("q", type=int)
def projective_plane(q: int, **output: Any) -> Result:
    """Build the graph of a projective plane.

    Its order Q is a prime power. The graph joins Q^2 + Q + 1 lines and as many points; its degree
    is Q + 1.
    """
    return _result(lambda: rg.projective_plane(q), **output)


@_family("rbgp generate affine-plane 7 -o plane.rbgp")
@click.argument("q", type=int)
def affine_plane(q: int, **output: Any) -> Result:
    """Build the graph of an affine plane.

    Its order Q is a prime power. The graph joins Q^2 points and Q^2 + Q lines; its degrees are
    Q + 1 and Q.
    """
    return _result(lambda: rg.affine_plane(q), **output)


@_family("rbgp generate generalized-quadrangle 2 4 --girth")
@click.argument("s", type=int)
@click.argument("t", type=int)
def generalized_quadrangle(s: int, t: int, **output: Any) -> Result:
    """Build the graph of a quadrangle GQ(S, T).

    For a prime power q there are (q, q), (q, q^2) and (q^2, q). The graph joins (S+1)(ST+1)
    points and (T+1)(ST+1) lines; its degrees are T + 1 and S + 1.
    """
    return _result(lambda: rg.generalized_quadrangle(s, t), **output)


@_family("rbgp generate generalized-hexagon 2 --girth")
@click.argument("q", type=int)
def generalized_hexagon(q: int, **output: Any) -> Result:
    """Build the graph of the hexagon of order Q.

    It is the split Cayley hexagon. Q is a prime power. The graph joins (Q^6-1)/(Q-1) points and
    as many lines; its degree is Q + 1.
    """
    return _result(lambda: rg.generalized_hexagon(q), **output)


@_family("rbgp generate chiu 17 -o cubic.rbgp")
@click.argument("q", type=int)
def chiu(q: int, **output: Any) -> Result:
    """Build the Ramanujan graph of Chiu of degree 3.

    Q is a prime for which -2 and 13 are squares: 3, 17, 43 and so on. The graph has Q(Q^2-1)/2
    vertices a side.
    """
    return _result(lambda: rg.chiu(q), **output)


@_family("rbgp generate morgenstern 3 2 -o graph.rbgp")
@click.argument("q", type=int)
@click.argument("d", type=int)
def morgenstern(q: int, d: int, **output: Any) -> Result:
    """Build a Ramanujan graph of degree Q + 1.

    It is that of Morgenstern over the field with Q^D elements. Q is a prime power and D is even.
    The graph has Q^D(Q^2D-1) vertices a side, half as many for odd Q.
    """
    return _result(lambda: rg.morgenstern(q, d), **output)


@_family("rbgp generate margulis-gabber-galil 8")
@click.argument("n", type=int)
def margulis_gabber_galil(n: int, **output: Any) -> Result:
    """Build an expander that is not Ramanujan.

    It is that of Margulis, Gabber and Galil, to compare with. The graph has N^2 vertices a side
    with at most 5 neighbours, and is not biregular.
    """
    return _result(lambda: rg.margulis_gabber_galil(n), **output)


@_family("rbgp generate array-code 7 3 -o code.rbgp")
@click.argument("q", type=int)
@click.argument("l", type=int)
def array_code(q: int, l: int, **output: Any) -> Result:  # noqa: E741 - the name in the paper
    """Build the graph of an array code of Q x L blocks.

    Q is a prime. Block (i, j) is the cyclic shift of order Q to the power i j. The graph has
    Q^2 left and L Q right vertices and degrees L and Q.
    """
    return _result(lambda: rg.array_code(q, l), **output)


@_family("rbgp generate random-biregular 100 200 6 --rng 7 -o random.rbgp")
@click.argument("left", type=int)
@click.argument("right", type=int)
@click.argument("degree", type=int)
@rng_option
def random_biregular(left: int, right: int, degree: int, rng: int, **output: Any) -> Result:
    """Draw a random graph, the degrees of a side equal.

    DEGREE is that of the left vertices. LEFT * DEGREE is a multiple of RIGHT.
    """
    return _result(lambda: rg.random_biregular(left, right, degree, rng=rng), **output)


@_family(
    "rbgp generate ramanujan 256 512 32 -o graph.rbgp",
    "rbgp generate ramanujan 90 90 8 --method random --rng 1",
)
@click.argument("left", type=int)
@click.argument("right", type=int)
@click.argument("degree", type=int)
@rng_option
@click.option(
    "--method",
    type=click.Choice(get_args(Method)),
    default="auto",
    show_default=True,
    help="Explicit families, the catalogue, towers of 2-lifts, random graphs, or what works.",
)
@click.option("--catalogue", metavar="FILE", help="Also choose from this catalogue of your own.")
def ramanujan(
    left: int,
    right: int,
    degree: int,
    rng: int,
    method: Method,
    catalogue: str | None,
    **output: Any,
) -> Result:
    """Find a Ramanujan graph of this shape and degree.

    The shape is met exactly, and DEGREE is that of the left vertices. LEFT * DEGREE is a multiple
    of RIGHT.
    """
    return _result(
        lambda: rg.ramanujan(left, right, degree, rng=rng, method=method, catalogue=catalogue),
        **output,
    )
