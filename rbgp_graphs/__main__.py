"""``python -m rbgp_graphs`` is the command ``rbgp``."""

from rbgp_graphs.cli import main

if __name__ == "__main__":
    main()
