"""``python -m factorattn``: the command line."""

from factorattn.cli.main import main

if __name__ == "__main__":
    main()
