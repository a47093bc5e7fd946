"""Other ways to compute a model of sentence-transformers: ONNX Runtime, OpenVINO, 16 bits.

`accelerate` exchanges the transformer within a model and leaves tokenizer and pooling as they
are. Importing this imports torch, not ONNX Runtime or OpenVINO.
"""

from __future__ import annotations

from xlingual_adapters.embedders.sentence_transformers.runtimes.candidates import (
    Backend,
    Precision,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.choosing import (
    Accelerated,
    accelerate,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.measuring import Measured

__all__ = ["Accelerated", "Backend", "Measured", "Precision", "accelerate"]
