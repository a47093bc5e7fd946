"""Parts of a training: the distance from a teacher, the bounded memory, whole checkpoints."""

from __future__ import annotations

import pytest

from tests.models import tiny_model

torch = pytest.importorskip("torch", reason="fine-tuning needs the extra 'train'")
pytest.importorskip("accelerate", reason="fine-tuning needs the extra 'train'")
pytest.importorskip("datasets", reason="fine-tuning needs the extra 'train'")

from xlingual_adapters.training.checkpoints import latest_whole, mark_whole, only_whole  # noqa: E402


def test_whoever_has_the_vectors_of_the_teacher_is_at_no_distance():
    from xlingual_adapters.training.losses import distance

    teacher = torch.eye(4)
    assert distance([2 * teacher, 3 * teacher], teacher) == 0
    assert distance([teacher, teacher.roll(1, 0)], teacher) == pytest.approx(2)


def test_of_a_teacher_of_another_dimension_the_cosines_count():
    from xlingual_adapters.training.losses import distance

    pupil, teacher = torch.eye(4), torch.eye(6)[:4]
    assert distance([pupil, pupil], teacher) == 0
    assert distance([pupil, pupil.roll(1, 0)], teacher) == pytest.approx(2)


def test_bounded_memory_gives_the_same_loss_and_the_same_gradients(tmp_path):
    from sentence_transformers import SentenceTransformer
    from xlingual_adapters.training.losses import CachedTaughtPairs, TaughtPairs, make_loss
    from xlingual_adapters.training.trainer import quiet

    with quiet():
        folder = str(tiny_model(tmp_path / "tiny"))
        model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    model.eval()  # without dropout, which differs between two passes
    labels = torch.nn.functional.normalize(torch.ones(40, 32).cumsum(0))
    sides = [[f"word {i} {side}" for i in range(40)] for side in ("short", "seven")]
    results = []
    for loss in (
        TaughtPairs(
            model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
        ),
        make_loss(model, batch_size=40, static=False),
    ):
        model.zero_grad()
        value = loss([model.preprocess(side) for side in sides], labels)
        value.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        results.append((value.item(), gradient.clone()))
    assert isinstance(loss, CachedTaughtPairs)
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-4)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-3, atol=1e-5)


def test_a_checkpoint_that_was_not_finished_is_not_used(tmp_path):
    for step in (5, 10, 15):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "base").mkdir()
    assert latest_whole(tmp_path) is None
    mark_whole(tmp_path / "checkpoint-5")
    mark_whole(tmp_path / "checkpoint-10")
    assert latest_whole(tmp_path) == tmp_path / "checkpoint-10"
    only_whole(tmp_path)
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there == ["base", "checkpoint-10", "checkpoint-5"]
