"""Predicted latencies: what a paint graph asks for, against a device's roofline, with efficiencies from records."""

from __future__ import annotations

from benchmarks.prediction.predict import predict
from benchmarks.prediction.prediction import Prediction, read_prediction

__all__ = ["Prediction", "predict", "read_prediction"]
