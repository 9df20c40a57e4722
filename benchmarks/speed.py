"""Speed: every method beside its peers, first calls, gradients, size, all cores, import time.

    python benchmarks/speed.py --one-core
    python benchmarks/speed.py --sections peers,cores --rounds 5

Contenders take turns in one process; figures are medians over the rounds, and ratios are medians
of the ratio within a round. With `--one-core` everything but the section `cores` is pinned to one
core; without it OpenCV uses all of them, an XLA program about one. Linux only, since it pins
processes and reads /proc.
"""

import argparse
from pathlib import Path

from measure import machine, pin, print_machine, usable_cores, write_json

SECTIONS = ("peers", "gradient", "first_call", "size", "cores", "import")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--one-core", action="store_true", help="pin to the first usable core")
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--methods", help="names as in the tables, default all of ours")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", default="256,512,1024,2048,4096", help="sides, for `size`")
    parser.add_argument("--data", type=Path, help="take Set12/08.png from this folder")
    parser.add_argument("--output", type=Path, default=Path("speed.json"))
    arguments = parser.parse_args()
    chosen = arguments.sections.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"unknown sections {sorted(unknown)}, there are {', '.join(SECTIONS)}")
    cores = usable_cores()
    pin(cores[:1] if arguments.one_core else cores)

    # Imported only now, since thread pools take their size when their library is loaded.
    from ours import ours
    from photograph import photograph
    from scaling import all_cores, cost_against_size, first_calls, import_time
    from side_by_side import compare_peers, gradient_cost

    methods = ours(arguments.methods and arguments.methods.split(","))
    if arguments.methods and (unknown := set(arguments.methods.split(",")) - set(methods)):
        parser.error(f"unknown methods {sorted(unknown)}")
    names = list(methods)
    clean = photograph(arguments.data)
    sides = [int(side) for side in arguments.sizes.split(",")]
    rounds = arguments.rounds
    run = {
        "peers": lambda: compare_peers(clean, methods, rounds),
        "gradient": lambda: gradient_cost(clean, methods, rounds),
        "first_call": lambda: first_calls(clean, names),
        "size": lambda: cost_against_size(clean, names, sides),
        "cores": lambda: all_cores(clean, names, cores, rounds),
        "import": lambda: import_time(rounds),
    }
    results = {"machine": machine(), "rounds": rounds}
    print_machine(results["machine"])
    for section in chosen:
        results[section] = run[section]()
    write_json(arguments.output, results)


if __name__ == "__main__":
    main()
