"""Customer lifetime value: purchase, spend and drop-out models, predictions, their proof and decisions."""

from helpers.clv.backtest import backtest
from helpers.clv.decide import Economics, economics
from helpers.clv.history import Base, histories
from helpers.clv.model import Model, fit_model
from helpers.clv.predict import Prediction, predict
from helpers.clv.proof import Backtest

__all__ = [
    "Backtest",
    "Base",
    "Economics",
    "Model",
    "Prediction",
    "backtest",
    "economics",
    "fit_model",
    "histories",
    "predict",
]
