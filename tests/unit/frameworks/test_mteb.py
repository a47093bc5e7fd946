"""mteb asks a collection, with a small task that is made here: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import NotSupported, UsageError

# Notes of mteb and its libraries to their developers.
pytestmark = pytest.mark.filterwarnings("ignore")

CORPUS = [
    {"id": "d1", "text": "Mein Paket ist nicht angekommen.", "title": "", "lang": "de"},
    {"id": "d2", "text": "J'ai oublié mon mot de passe.", "title": "", "lang": "fr"},
    {"id": "d3", "text": "La factura contiene un error.", "title": "", "lang": "es"},
    {"id": "d4", "text": "The train is late again.", "title": "", "lang": "en"},
]
QUERIES = [
    {"id": "q1", "text": "My parcel has not arrived."},
    {"id": "q2", "text": "I forgot my password."},
    {"id": "q3", "text": "The invoice is wrong."},
]
RELEVANT = {"q1": {"d1": 1}, "q2": {"d2": 1}, "q3": {"d3": 1}}


@pytest.fixture
def task() -> Any:
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class Parcels(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Parcels",
            description="Questions in English to texts in other languages.",
            reference=None,
            dataset={"path": "none", "revision": "1"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn", "deu-Latn"],
            main_score="ndcg_at_10",
        )
        k_values = (1, 3, 10)

        def load_data(self, *_: Any, **__: Any) -> None:
            split = {
                "queries": Dataset.from_list(QUERIES),
                "corpus": Dataset.from_list(CORPUS),
                "relevant_docs": RELEVANT,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Parcels()


SETTINGS = {
    "memory": {"kind": "memory"},
    "faiss": {"kind": "faiss", "path": "faiss"},
    "qdrant": {"kind": "qdrant", "location": ":memory:"},
}


def model(tmp_path: Path, store: str = "memory", **options: Any) -> Any:
    from xlingual_adapters.frameworks.mteb import StoreModel

    described = dict(SETTINGS[store])
    if "path" in described:
        described["path"] = str(tmp_path / described["path"])

    def opened() -> Collection:
        return Collection.open("mteb", settings={"store": "it", "stores": {"it": described}})

    return StoreModel(opened, **options)


def scores_of(model: Any, task: Any) -> dict[str, Any]:
    # What mteb.evaluate calls for each task; that imports sentence-transformers before, for long.
    return task.evaluate(model, "test", encode_kwargs={"show_progress_bar": False})["default"]


@pytest.mark.parametrize("store", SETTINGS)
def test_a_task_asks_the_collection_and_scores_its_hits(
    task: Any, tmp_path: Path, store: str
) -> None:
    asked = model(tmp_path, store)
    scores = scores_of(asked, task)
    assert scores["ndcg_at_10"] == 1.0
    assert scores["recall_at_1"] == 1.0
    asked.close()


def test_the_options_of_search_are_used_and_named(task: Any, tmp_path: Path) -> None:
    plain = model(tmp_path)
    only_french = model(tmp_path, search={"langs": "fr"})
    assert plain.mteb_model_meta.name == "xlingual-qdrant/xlingual-static-256"
    assert only_french.mteb_model_meta.name.endswith("xlingual-static-256-langs=fr")
    assert scores_of(only_french, task)["recall_at_1"] == pytest.approx(1 / 3, abs=1e-4)
    for each in (plain, only_french):
        each.close()


def test_the_embedder_alone_is_an_encoder() -> None:
    from mteb.models import EncoderProtocol
    from mteb.types import PromptType
    from xlingual_adapters.frameworks.mteb import EmbedderModel

    encoder = EmbedderModel(load_embedder("bundled"))
    assert isinstance(encoder, EncoderProtocol)
    about: dict[str, Any] = {"task_metadata": None, "hf_split": "test", "hf_subset": "default"}
    batches = [{"text": [row["text"] for row in QUERIES[:2]]}, {"text": [QUERIES[2]["text"]]}]
    queries = encoder.encode(batches, **about, prompt_type=PromptType.query)
    corpus = encoder.encode([{"text": [row["text"] for row in CORPUS]}], **about)
    cosines = encoder.similarity(queries, corpus)
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2]
    assert encoder.similarity_pairwise(queries, corpus[:3]) == pytest.approx(
        cosines.diagonal(), abs=1e-6
    )
    assert encoder.encode([], **about).shape == (0, 256)


def asked(searching: Any, task: Any, queries: list[dict[str, Any]], **options: Any) -> Any:
    about = {"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "default"}
    searching.index(CORPUS, **about, encode_kwargs={})
    return searching.search(queries, **about, top_k=2, encode_kwargs={}, **options)


def test_hits_are_returned_by_id_with_scores_in_their_order(task: Any, tmp_path: Path) -> None:
    found = asked(model(tmp_path), task, QUERIES)
    assert list(found) == ["q1", "q2", "q3"]
    assert max(found["q1"], key=found["q1"].__getitem__) == "d1"
    assert len(found["q1"]) == 2


def test_reranking_looks_at_the_given_documents_only(task: Any, tmp_path: Path) -> None:
    found = asked(model(tmp_path), task, QUERIES, top_ranked={"q1": ["d2", "d3", "d4"], "q2": []})
    assert set(found["q1"]) < {"d2", "d3", "d4"}
    assert found["q2"] == {}


def test_titles_empty_documents_and_instructions_are_read_as_mteb_does(
    task: Any, tmp_path: Path
) -> None:
    searching = model(tmp_path)
    about = {"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "default"}
    corpus = [
        {"id": "t", "title": "Parcels", "text": "They come late."},
        {"id": "empty", "title": "", "text": " "},
    ]
    searching.index(corpus, **about, encode_kwargs={})
    assert searching._collection.get("t").text == "Parcels They come late."
    assert len(searching._collection) == 1
    query = {"id": "q", "text": "When?", "instruction": "Find parcels."}
    found = searching.search([query], **about, top_k=5, encode_kwargs={})
    same = searching.search(
        [{"id": "q", "text": "When? Find parcels."}], **about, top_k=5, encode_kwargs={}
    )
    assert found == same
    with pytest.raises(NotSupported, match="conversation"):
        searching.search(
            [{"id": "q", "text": [{"role": "user", "content": "When?"}]}],
            **about,
            top_k=5,
            encode_kwargs={},
        )


def test_a_collection_with_documents_is_refused_and_kept(task: Any) -> None:
    from xlingual_adapters.frameworks.mteb import StoreModel

    with Collection.open("mine", store="memory") as mine:
        mine.add(["A text of somebody"])
        searching = StoreModel(lambda: mine)
        about = {"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "default"}
        with pytest.raises(UsageError, match="not empty"):
            searching.index(CORPUS, **about, encode_kwargs={})
        assert len(mine) == 1


def test_the_language_of_a_task_with_one_language_is_that_of_its_texts(
    task: Any, tmp_path: Path
) -> None:
    searching = model(tmp_path)
    metadata = task.metadata.model_copy(update={"eval_langs": ["deu-Latn"]})
    searching.index(
        [{"id": "a", "text": "Ein Paket"}, {"id": "b", "text": "A parcel", "lang": "en"}],
        task_metadata=metadata,
        hf_split="test",
        hf_subset="default",
        encode_kwargs={},
    )
    assert searching._collection.languages() == {"de": 1, "en": 1}
