"""``rbgp verify``: whether a graph or a pattern is Ramanujan."""

from __future__ import annotations

from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import read
from rbgp_graphs.cli.output import Result, Text, working
from rbgp_graphs.spectral import Verdict


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp verify graph.rbgp",
        "rbgp verify layer.rbgp --factors",
        "rbgp verify layer.rbgp --level proved --save",
        "rbgp verify layer.rbgp --stored --json",
    ),
)
@click.argument("file")
@click.option(
    "--level",
    type=click.Choice(["numeric", "proved"]),
    default="numeric",
    show_default=True,
    help="Rest on floating-point values, or on a proof.",
)
@click.option("--factors", is_flag=True, help="Ask about each factor, not about the product.")
@click.option("--two-sided", is_flag=True, help="Ask about the smallest singular value too.")
@click.option("--no-theorems", is_flag=True, help="Let no proof rest on the theorem of a family.")
@click.option("--save", is_flag=True, help="Put the certificates into the file.")
@click.option("--stored", is_flag=True, help="Only check the certificates in the file.")
def verify(
    file: str,
    level: str,
    factors: bool,
    two_sided: bool,
    no_theorems: bool,
    save: bool,
    stored: bool,
) -> Result:
    """Say whether a graph or a pattern is Ramanujan.

    Leaves with exit code 1 if it is not, or if that cannot be decided. A product of Ramanujan
    graphs is normally not Ramanujan: use --factors to ask about the factors of a pattern.
    """
    if stored and (level == "proved" or two_sided or no_theorems or save):
        raise click.UsageError("--stored looks for no proof; use it alone or with --factors")
    if level != "proved" and (save or no_theorems):
        option = "--save" if save else "--no-theorems"
        raise click.UsageError(f"{option} is about proofs; add --level proved")
    loaded = read(file)
    if stored:
        return _check_stored(file, loaded, factors)
    subject = loaded.obj
    with working("computing singular values"):
        verdict = rg.verify(subject, level, two_sided=two_sided, theorems=not no_theorems)
    by_factor = factors and isinstance(subject, rg.TensorProduct)
    holds = _conjunction(verdict.factors if by_factor else (verdict,), level)
    data = {
        "file": file,
        "level": level,
        "checked": "factors" if by_factor else "whole",
        "holds": holds,
        "verdict": facts.verdict_data(subject, verdict),
    }
    words = facts.gap_words(verdict)
    if verdict.sigma_min is not None:
        words["smallest"] = f"{verdict.sigma_min:.6g}; the lower bound is {verdict.lower_bound:.6g}"
    words["method"] = verdict.method
    if factors and isinstance(subject, rg.TensorProduct):
        for name, factor in zip(subject.factor_names, verdict.factors, strict=True):
            words[f"method, {name}"] = factor.method
    words["answer"] = _answer(verdict, holds, by_factor, level)
    if save:
        written = _save(file, loaded, verdict)
        data["stored"], words["stored"] = written, _stored_words(written)
    text: list[Text] = [facts.verdicts_table(subject, verdict), words]
    return Result(data=data, text=text, exit_code=0 if holds else 1)


def _save(file: str, loaded: rg.encoding.Loaded, verdict: Verdict) -> dict[str, Any]:
    """Write the certificates into the file, in place of those that it holds."""
    found = verdict.certificates
    size = None
    if found:
        size = rg.save(file, loaded.obj, loaded.values, certificates=found)
    return {"certificates": len(found), "file_bytes": size}


def _stored_words(stored: dict[str, Any]) -> str:
    if not stored["certificates"]:
        return "nothing, as nothing was proved; the file is as it was"
    count = stored["certificates"]
    return f"{count} certificate{'s' * (count > 1)}; the file has {stored['file_bytes']:,} bytes"


def _check_stored(file: str, loaded: rg.encoding.Loaded, factors: bool) -> Result:
    """Answer from the certificates in a file alone, each of which is checked."""
    by_factor = factors and isinstance(loaded.obj, rg.TensorProduct)
    with working("checking certificates"):
        checked = loaded.check_certificates()
    rows, entries = [], {}
    for name, certificate in loaded.certificates.items():
        right = checked[name]
        rows.append((name, facts.claim_of(certificate), "right" if right else "WRONG"))
        entries[name] = {**facts.certificate_data(certificate), "checked": right}
    if by_factor:
        names, complete = _factor_names(loaded.obj)
        asked = {name: name in complete or _proved(loaded, checked, name) for name in names}
    else:
        asked = {"whole": _proved(loaded, checked, "whole")}
    holds = all(checked.values()) and all(asked.values())
    missing = [name for name, proved in asked.items() if not proved]
    words = {"answer": _stored_answer(checked, missing)}
    text: list[Text] = [words]
    if rows:
        text.insert(0, facts.certificates_table(rows))
    data = {
        "file": file,
        "level": "stored",
        "checked": "factors" if by_factor else "whole",
        "holds": holds,
        "certificates": entries,
    }
    return Result(data=data, text=text, exit_code=0 if holds else 1)


def _factor_names(obj: Any) -> tuple[tuple[str, ...], set[str]]:
    """Return the names of all factors, and of those that are complete and need no proof."""
    pairs = dict(zip(obj.factor_names, obj.factors, strict=True))
    return obj.factor_names, {name for name, factor in pairs.items() if factor.is_complete}


def _proved(loaded: rg.encoding.Loaded, checked: dict[str, bool], name: str) -> bool:
    return checked.get(name, False) and loaded.certificates[name].ramanujan


def _stored_answer(checked: dict[str, bool], missing: list[str]) -> str:
    if not checked:
        return "the file holds no certificate; rbgp verify --level proved --save puts them there"
    wrong = [name for name, right in checked.items() if not right]
    if wrong:
        return f"not proved: wrong certificate about {', '.join(wrong)}"
    refuted = [name for name in missing if name in checked]
    if refuted:
        return f"refuted: a right certificate says that {_named(refuted)} not Ramanujan"
    if missing:
        return f"not proved: no certificate says that {_named(missing)} Ramanujan"
    return "proved: the certificates are right and show it"


def _named(parts: list[str]) -> str:
    """Return parts as the subject of a sentence, with its verb."""
    names = ["the whole" if name == "whole" else f"the factor {name}" for name in parts]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _conjunction(verdicts: tuple[Verdict, ...], level: str) -> bool | None:
    """Return whether all are Ramanujan: False if one is not, None if one is undecided."""
    answers = [
        None if level == "proved" and verdict.status == "numeric" else verdict.is_ramanujan
        for verdict in verdicts
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _answer(verdict: Verdict, holds: bool | None, by_factor: bool, level: str) -> str:
    if holds is None:
        if level == "proved":
            return "undecided: not proved and not refuted; the method says why"
        return "undecided: sigma2 is closer to the bound than its error; try --level proved"
    if by_factor:
        return "all factors are Ramanujan" if holds else "not all factors are Ramanujan"
    kind = "product" if verdict.factors else "graph"
    if holds:
        return f"the {kind} is Ramanujan"
    text = f"the {kind} is not Ramanujan"
    if verdict.factors and _conjunction(verdict.factors, level):
        text += ", as is normal for a product; all its factors are"
    return text
