"""`make bench`: every comparison."""

from __future__ import annotations

import sys

from bench import encode, search, serve


def main() -> None:
    search.main(["--peers", *sys.argv[1:]])
    encode.main([])
    serve.main([])


if __name__ == "__main__":
    main()
