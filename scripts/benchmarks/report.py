"""The page of results of `scripts/bench speed`."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from peers import APPROXIMATE, PEERS
from roofline import floor

# Goals: the speed relative to the fastest peer, by the number of features.
GOALS = ((16, 2.5), (256, 1.3), (10**9, 1.1))
QUIET = 0.85
median = statistics.median


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def spread(seconds: list[float], least: float) -> str:
    """Return minimum, median and maximum in ms, and the floor as a share of the minimum."""
    if not seconds:
        return "-"
    low, mid, high = (1e3 * f(seconds) for f in (min, median, max))
    digits = 0 if low >= 100 else 1
    range_ = f" ({mid:.{digits}f}, {high:.{digits}f})" if len(seconds) > 1 else ""
    return f"{low:.{digits}f}{range_}, {1e5 * least / low:.0f} %"


def against(row: dict[str, Any]) -> tuple[str, float, float]:
    """Return the fastest peer, the speed-up of streamkm over it (best times), and the goal."""
    seconds = row["seconds"]
    peers = [p for p in seconds if p not in ("streamkm", "bare") and seconds[p]]
    fastest = min(peers, key=lambda peer: min(seconds[peer]))
    goal = next(times for features, times in GOALS if row["shape"][1] <= features)
    return fastest, min(seconds[fastest]) / min(seconds["streamkm"]), goal


def least(row: dict[str, Any], rates: dict[str, float]) -> float:
    return floor(rates, *row["shape"])


def rates_of(results: dict[str, Any]) -> dict[str, float]:
    """Return the best rates of the whole run, because a floor is the best of the machine."""
    rates = [row["rates"] for row in results.get("iterations", ())]
    rates += [results["roofline"]] if "roofline" in results else []
    return {name: max(one[name] for one in rates) for name in ("float32", "float64", "memory")}


def roofline(results: dict[str, Any]) -> Iterator[str]:
    found = results["roofline"] | rates_of(results)
    yield "## Rates of the machine\n"
    yield f"sgemm {found['float32'] / 1e9:.0f} and dgemm {found['float64'] / 1e9:.0f} GFLOP/s"
    yield f"(2048 x 2048), memory {found['memory'] / 1e9:.1f} GB/s (dot of 1 GiB with itself).\n"
    decoded = found["decode"]
    yield from table(
        ("Zarr, chunks of 8 MiB in the page cache", *decoded),
        [("decoded GB/s", *(f"{rate / 1e9:.2f}" for rate in decoded.values()))],
    )


def iterations(results: dict[str, Any]) -> Iterator[str]:
    rates = rates_of(results)
    yield "## One Lloyd step in memory\n"
    yield "Milliseconds of a step: the minimum over the rounds (median, maximum), and the"
    yield "floor as a share of the minimum. A step is (fit of 1 + m steps - least fit of 1"
    yield "step) / m, with tol=0. In every round, each library runs once on the same data and"
    yield "centroids, in its own process; *bare read* is one fold of the pass of streamkm"
    yield "without a fit. The floor is the larger of 2·n·d·k / gemm rate and bytes / memory"
    yield "rate. The speed ratio is the minimum of the fastest other library over that of"
    yield "streamkm. scikit-learn gets uint8 rows as float32. dask-ml has one round, and"
    yield "none if its n x k distances do not fit. In *disturbed* rounds, the matrix products"
    yield f"of the machine took more than 1 / {QUIET} of their least time in the median,"
    yield "because another program ran.\n"
    head = ("n, d, k", "floor", *PEERS, "bare read", "speed ratio (library)", "goal")
    rows = []
    for row in results["iterations"]:
        n, d, k, dtype = row["shape"]
        fastest, times, goal = against(row)
        bound = least(row, rates)
        cells = [spread(row["seconds"].get(name, []), bound) for name in (*PEERS, "bare")]
        quiet = row["undisturbed"] >= QUIET * rates["float32"]
        name = f"{n:,}, {d}, {k}{'' if quiet else ' (disturbed)'}" + (
            "" if dtype == "float32" else f", {dtype}"
        )
        met = f"{goal} {'✓' if times >= goal else '✗'}"
        rows.append((name, f"{1e3 * bound:.1f}", *cells, f"{times:.2f} ({fastest})", met))
    yield from table(head, rows)
    apart = max(row["losses apart"] for row in results["iterations"])
    yield f"After the same steps the losses of all differ by {apart:.1e} at most.\n"


def real(results: dict[str, Any]) -> Iterator[str]:
    yield "## One Lloyd step in memory on real data\n"
    yield "Milliseconds of a step as above, on rows in random order. SuperKmeans of faiss prunes by"
    yield "a statistical test and starts from centroids of its own; its loss is that after the same"
    yield "number of steps, relative to that of streamkm. The speed ratio is that over the fastest"
    yield "exact library.\n"
    libraries = [name for name in (*PEERS, *APPROXIMATE) if name != "dask-ml"]
    rows = []
    for row in results["real"]:
        name, k = row["shape"]
        exact = [p for p in libraries if p != "streamkm" and p in PEERS]
        fastest = min(exact, key=lambda peer: min(row["seconds"][peer]))
        times = min(row["seconds"][fastest]) / min(row["seconds"]["streamkm"])
        cells = [
            f"{1e3 * min(s):.0f} ({1e3 * median(s):.0f})" if s else "-"
            for s in map(row["seconds"].get, libraries)
        ]
        lost = row["approximate losses"].get("SuperKmeans")
        loss = "-" if lost is None else f"{lost:+.2%}"
        rows.append((f"{name}, k={k:,}", *cells, f"{times:.2f} ({fastest})", loss))
    head = ("data", *libraries, "speed ratio (library)", "loss of SuperKmeans")
    yield from table(head, rows)


def scaling(results: dict[str, Any]) -> Iterator[str]:
    rows, workers = results["scaling"]["rows"], results["scaling"]["workers"]
    yield "## Scaling with rows and workers\n"
    yield from table(
        ("rows on disk (64 features, k=50, 8 steps, under 600 MiB)", "s", "peak MiB"),
        (
            (f"{n:,}", f"{median(s):.2f} ({min(s):.2f}-{max(s):.2f})", f"{median(p) / 2**20:.0f}")
            for n, s, p in zip(rows["rows"], rows["seconds"], rows["peaks"], strict=True)
        ),
    )
    yield f"Twice the rows take {rows['ratio']:.2f} times as long, with"
    yield f"{rows['peak ratio']:.2f} times the peak memory.\n"
    n, d, k, _ = workers["shape"]
    yield f"{n:,} x {d}, k={k} in memory, one step: {workers['workers'][1]} workers are"
    yield f"{workers['speedup']:.2f} times as fast as one.\n"


def by_method(results: dict[str, Any]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the runs of each method on each data set, with the loss relative to the lowest."""
    found: Any = defaultdict(lambda: defaultdict(list))
    for row in results["end-to-end"]:
        if "failed" in row:
            continue
        found[row["data"]][row["method"]].append(row)
    for methods in found.values():
        best = min(row["loss"] for rows in methods.values() for row in rows)
        for rows in methods.values():
            for row in rows:
                row["excess"] = row["loss"] / best - 1
    return found  # type: ignore[no-any-return]


def end_to_end(results: dict[str, Any]) -> Iterator[str]:
    yield "## From data on disk to centroids\n"
    yield "Default options; medians over the seeds. The loss is relative to the lowest of all"
    yield "runs, computed in float64 by the benchmark. streamkm runs under `--memory-limit"
    yield "500MB`, and its seconds include the whole command; those of scikit-learn include"
    yield "the fit alone, in memory. The peak is VmHWM.\n"
    for data, methods in by_method(results).items():
        yield from table(
            (data, "loss", "s", "GB read", "peak MB", "steps"),
            (
                (
                    name,
                    f"+{median(r['excess'] for r in rows):.3%}",
                    f"{median(r['seconds'] for r in rows):.1f}",
                    f"{median(r['bytes'] for r in rows) / 1e9:.2f}",
                    f"{median(r['peak'] for r in rows) / 1e6:.0f}",
                    f"{median(r['steps'] for r in rows):.0f}",
                )
                for name, rows in methods.items()
            ),
        )
    for row in results["end-to-end"]:
        if "failed" in row:
            yield f"{row['data']}: **{row['method']} failed**: {row['failed']}\n"


def graphs(results: dict[str, Any]) -> Iterator[str]:
    yield "## Graphs: milliseconds per block of two rows\n"
    yield from table(
        ("rows", "blocks", "until the first task", "whole read"),
        (
            (r["rows"], f"{r['blocks']:,}", f"{r['first task']:.4f}", f"{r['whole read']:.3f}")
            for r in results["graphs"]
        ),
    )


SECTIONS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "roofline": roofline,
    "iterations": iterations,
    "real": real,
    "scaling": scaling,
    "end-to-end": end_to_end,
    "graphs": graphs,
}


def page(results: dict[str, Any], stem: str) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    minutes = sum(machine["seconds"].values()) / 60
    lines = [
        "# Speed\n",
        f"Made by `scripts/bench speed{' --quick' * machine['quick']}` on {machine['date']}: "
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{versions}; in {minutes:.0f} minutes. Every process is restricted to these cores by its "
        "CPU affinity, which all libraries respect, and by variables such as `OMP_NUM_THREADS`.\n",
        f"![Shares of the floor, and loss by bytes read]({stem}.png)\n",
    ]
    for part, section in SECTIONS.items():
        if part in results:
            lines += section(results)
    return "\n".join(lines)
