"""``python -m twofold`` is the ``twofold`` command."""

from twofold.cli.start import main

if __name__ == "__main__":
    main()
