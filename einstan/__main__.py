"""``python -m einstan``, and the command."""

import sys


def main() -> int:
    try:
        from einstan.library import cli
    except KeyboardInterrupt:  # before there is anything that could be kept
        return 130
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
