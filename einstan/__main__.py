"""``python -m einstan``"""

import sys

if __name__ == "__main__":
    try:
        from einstan.library.cli import main
    except KeyboardInterrupt:  # before there is anything that could be kept
        sys.exit(130)
    sys.exit(main())
