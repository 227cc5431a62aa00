"""``python -m einstan``"""

import sys

from einstan.library.cli import main

if __name__ == "__main__":
    sys.exit(main())
