"""`make bench`: every comparison."""

from __future__ import annotations

import sys

from bench import encode, search


def main() -> None:
    search.main(["--peers", *sys.argv[1:]])
    print("ours, its peer, and how many times faster ours is (median of rounds in turn)")
    for comparison in encode.comparisons():
        print(comparison.line(), flush=True)


if __name__ == "__main__":
    main()
