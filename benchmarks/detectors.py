"""Compare offline language detectors on short sentences.

    python benchmarks/detectors.py tatoeba.tsv.gz > benchmarks/results/detectors.txt

The file has a header and the columns id, lang, text, english, separated by tabs. Each
detector runs in a process of its own, on one thread; one that is not installed is left out.

    pip install py3langid==0.4.0 lingua-language-detector==2.1.1 cld3-py==3.1.0 pycld2==0.42

An answer is right if its primary language is that of the text once both are canonical.
`no` counts as `nb`, `yue` and `wuu` as `zh`, for every detector; `nn` for `nb` and `ms` for
`id` are errors. Nothing is fitted to the file. A detector is called unsure by its
own word where it has one (CLD2, CLD3: `is_reliable`), otherwise when its best language is
not likelier than all others together (probability below 0.5).
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from detector_candidates import CANDIDATES, Answer, Candidate
from reporting import machine

from xlingual_qdrant.languages import canonical

SAME_HERE = {"no": "nb", "yue": "zh", "wuu": "zh"}
BUCKETS = {"<=10": (0, 10), "11-20": (11, 20), "21-40": (21, 40), ">40": (41, 10**9)}
THRESHOLDS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


class Text(NamedTuple):
    """A text and its language; `lang` is a canonical tag."""

    lang: str
    text: str


@dataclass(frozen=True)
class Measured:
    """Answers to all texts, in order, and what they cost."""

    answers: list[Answer]
    load_s: float
    texts_per_s: float
    memory_mb: float


def main() -> None:
    """Measure every candidate that is installed, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("file", type=Path, help="tatoeba.tsv.gz")
    parser.add_argument("--one", choices=CANDIDATES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    texts = read(arguments.file)
    if arguments.one:
        json.dump(asdict(measure(CANDIDATES[arguments.one], texts)), sys.stdout)
        return
    results = {
        name: measured_alone(name, arguments.file)
        for name, candidate in CANDIDATES.items()
        if installed_version(candidate.package)
    }
    print("\n".join(report(texts, results)))


def read(file: Path) -> list[Text]:
    """Return the texts of the file, each English sentence once, and single syllables."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines][1:]
    texts = [Text(row[1], row[2]) for row in rows]
    english = [Text("en", sentence) for sentence in sorted({row[3] for row in rows})]
    return texts + english + syllables(texts)


def syllables(texts: Sequence[Text]) -> list[Text]:
    """Return the kana and the hangul that occur, one a text, tagged `ja-kana`, `ko-hangul`."""
    used = {character for _, text in texts for character in text}
    kana = [Text("ja-kana", c) for c in sorted(used) if "\u3041" <= c <= "\u30fa"]
    return kana + [Text("ko-hangul", c) for c in sorted(used) if "\uac00" <= c <= "\ud7a3"]


def measured_alone(name: str, file: Path) -> Measured:
    """Return the measurements of one candidate, made in a fresh process on one thread."""
    command = [sys.executable, __file__, str(file), "--one", name]
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
    )
    print(f"measuring {name}", file=sys.stderr)
    ran = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, check=True)
    raw = json.loads(ran.stdout)
    return Measured(**raw | {"answers": [Answer(*answer) for answer in raw["answers"]]})


def measure(candidate: Candidate, texts: Sequence[Text]) -> Measured:
    """Load a candidate and ask it about every text."""
    start = time.perf_counter()
    detect = candidate.load()
    detect("Good morning")  # what is loaded at first use counts as loading
    loaded = time.perf_counter()
    answers = [detect(text) for _, text in texts]
    done = time.perf_counter()
    return Measured(answers, loaded - start, len(texts) / (done - loaded), peak_memory_mb())


def peak_memory_mb() -> float:
    """Return the largest resident size of this process; 0 where the system cannot say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def installed_version(package: str) -> str:
    """Return the version of an installed package, or "" if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def installed_mb(package: str) -> float:
    """Return the size of a package's files on disk, without compiled Python."""
    files = importlib.metadata.files(package) or []
    paths = [Path(str(file.locate())) for file in files if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.exists()) / 1e6


def primary(tag: str) -> str:
    """Return the primary language of a tag that a detector gave, canonical, as compared here."""
    try:
        language = canonical(tag).split("-")[0]
    except ValueError:  # CLD2 has tags of its own, such as 'un' and 'xx-Qaai'
        return "und"
    return SAME_HERE.get(language, language)


class Outcome(NamedTuple):
    """One text, and what was made of it."""

    lang: str
    length: int
    found: str
    answer: Answer


def outcomes(texts: Sequence[Text], measured: Measured) -> list[Outcome]:
    """Return what became of each text."""
    tags = {answer.lang: primary(answer.lang) for answer in measured.answers}
    return [
        Outcome(lang, len(text), tags[answer.lang], answer)
        for (lang, text), answer in zip(texts, measured.answers, strict=True)
    ]


def by_language(found: Iterable[Outcome], good: Callable[[Outcome], bool]) -> dict[str, float]:
    """Return, per language, the percentage of texts that are good."""
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for outcome in found:
        verdicts[outcome.lang].append(good(outcome))
    return {lang: 100 * sum(these) / len(these) for lang, these in verdicts.items()}


def mean(found: Iterable[Outcome], good: Callable[[Outcome], bool]) -> float:
    """Return the mean over languages of the percentage of texts that are good."""
    shares = by_language(found, good).values()
    return sum(shares) / len(shares)


def right(outcome: Outcome) -> bool:
    """Say whether the language is right, sure or not."""
    return outcome.found == outcome.lang.split("-")[0]


def sure(outcome: Outcome) -> bool:
    """Say whether a tag would be given."""
    return outcome.answer.sure and outcome.found != "und"


def surely_right(outcome: Outcome) -> bool:
    """Say whether a tag would be given, and is right."""
    return sure(outcome) and right(outcome)


def report(texts: Sequence[Text], results: Mapping[str, Measured]) -> Iterable[str]:
    """Yield the lines of the report."""
    found = {name: outcomes(texts, measured) for name, measured in results.items()}
    foreign = {
        name: [outcome for outcome in these if outcome.lang not in ("en", "ja-kana", "ko-hangul")]
        for name, these in found.items()
    }
    yield from heading(texts)
    yield from costs(results)
    yield from accuracies(found, foreign)
    yield from lengths(foreign)
    yield from worst(foreign)
    if "default, bold" in foreign:
        yield from thresholds(foreign["default, bold"])


def heading(texts: Sequence[Text]) -> Iterable[str]:
    """Yield where, when and on what this was measured."""
    count = Counter(lang for lang, _ in texts)
    english = count.pop("en")
    single = count.pop("ja-kana"), count.pop("ko-hangul")
    yield "# Language detectors on short sentences"
    yield f"# {shlex.join(['python', *sys.argv])}"
    yield f"# {datetime.now(UTC):%Y-%m-%d}, {machine()}, Python {platform.python_version()}"
    yield "# speeds are of a machine with other work to do; compare them with each other only"
    yield f"# {count.total()} texts in {len(count)} languages, {english} in English,"
    yield f"# {single[0]} single kana, {single[1]} single hangul; means are over the languages"
    yield "# 'default' is our adapter; 'default, bold' the same with min_confidence=0"
    yield "# 'load s' has the imports (NumPy, langcodes) and the first answer in it"
    yield "# py3langid was taught on Tatoeba, among other sources: its figures here flatter it"
    yield ""


def costs(results: Mapping[str, Measured]) -> Iterable[str]:
    """Yield what each detector costs."""
    yield f"{'cost':<15}{'version':>9} {'licence':<14}{'MB on disk':>10}{'MB memory':>10}" + (
        f"{'load s':>8}{'texts/s':>9}"
    )
    for name, measured in results.items():
        candidate = CANDIDATES[name]
        package = candidate.package
        yield (
            f"{name:<15}{installed_version(package):>9} {candidate.licence:<14}"
            f"{installed_mb(package):>10.1f}{measured.memory_mb:>10.0f}"
            f"{measured.load_s:>8.2f}{measured.texts_per_s:>9.0f}"
        )
    yield ""


def accuracies(
    found: Mapping[str, list[Outcome]], foreign: Mapping[str, list[Outcome]]
) -> Iterable[str]:
    """Yield accuracy on all texts, and what the detector's own doubt does to it."""
    yield f"{'accuracy %':<15}{'best guess':>11}{'tag given':>11}{'of these right':>16}" + (
        f"{'English':>9}{'given':>7}{'kana':>7}{'hangul':>8}"
    )
    for name, these in foreign.items():
        given = mean(these, sure)
        guess = by_language(found[name], right)
        tags = by_language(found[name], sure)
        single = by_language(found[name], surely_right)
        yield (
            f"{name:<15}{mean(these, right):>11.1f}{given:>11.1f}"
            f"{100 * mean(these, surely_right) / given:>16.1f}"
            f"{guess['en']:>9.1f}{tags['en']:>7.1f}{single['ja-kana']:>7.1f}{single['ko-hangul']:>8.1f}"
        )
    yield ""


def lengths(foreign: Mapping[str, list[Outcome]]) -> Iterable[str]:
    """Yield accuracy by length of the text."""
    yield f"{'by characters':<15}" + "".join(f"{bucket:>26}" for bucket in BUCKETS)
    yield f"{'':<15}" + f"{'guess  given  right':>26}" * len(BUCKETS)
    for name, these in foreign.items():
        line = f"{name:<15}"
        for low, high in BUCKETS.values():
            some = [outcome for outcome in these if low <= outcome.length <= high]
            given = mean(some, sure)
            precise = 100 * mean(some, surely_right) / given
            line += f"{f'{mean(some, right):5.1f}  {given:5.1f}  {precise:5.1f}':>26}"
        yield line
    yield ""


def worst(foreign: Mapping[str, list[Outcome]]) -> Iterable[str]:
    """Yield the languages guessed worst, and the commonest mistakes."""
    for name, these in foreign.items():
        shares = sorted(by_language(these, right).items(), key=lambda item: item[1])[:8]
        errors = Counter((o.lang, o.found) for o in these if not right(o)).most_common(8)
        yield f"{name}: worst best guesses " + ", ".join(f"{lang} {p:.1f}" for lang, p in shares)
        yield f"{'':>{len(name)}}  taken for " + ", ".join(f"{a}>{b} {n}" for (a, b), n in errors)
    yield ""


def thresholds(bold: list[Outcome]) -> Iterable[str]:
    """Yield what other thresholds would do to the default detector."""
    yield f"{'min_confidence':<15}{'tag given':>11}{'of these right':>16}"
    for threshold in THRESHOLDS:
        these = [
            o._replace(answer=o.answer._replace(sure=o.answer.confidence >= threshold))
            for o in bold
        ]
        given = mean(these, sure)
        yield f"{threshold:<15}{given:>11.1f}{100 * mean(these, surely_right) / given:>16.1f}"


if __name__ == "__main__":
    main()
