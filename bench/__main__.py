"""`make bench`: every comparison, one line each."""

from __future__ import annotations

from bench import encode, search


def main() -> None:
    print("ours, its peer, and how many times faster ours is (median of rounds in turn)")
    for room in (search, encode):
        for comparison in room.comparisons():
            print(comparison.line(), flush=True)


if __name__ == "__main__":
    main()
