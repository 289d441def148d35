"""Customer lifetime value: purchase, spend, drop-out and contract models, predictions, their proof and decisions."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.clv.backtest import backtest
    from helpers.clv.contract_backtest import backtest_contracts
    from helpers.clv.contract_due import RenewalsDue, renewals_due
    from helpers.clv.contract_fit import fit_contracts
    from helpers.clv.contract_model import ContractModel
    from helpers.clv.contract_predict import predict_contracts
    from helpers.clv.contract_proof import ContractBacktest
    from helpers.clv.contract_value import ContractValue
    from helpers.clv.contracts import Contracts, contracts
    from helpers.clv.decide import Economics, economics
    from helpers.clv.history import Base, histories, stored_histories
    from helpers.clv.levers import Levers, levers
    from helpers.clv.model import Model, fit_model
    from helpers.clv.predict import predict
    from helpers.clv.prediction import Prediction
    from helpers.clv.prior import Prior, prior_predictive
    from helpers.clv.proof import Backtest
    from helpers.clv.rhythm import track
    from helpers.clv.silence import Silence, silence
    from helpers.clv.simple import Simple, simple
    from helpers.clv.tracking import Tracking

__all__ = [
    "Backtest",
    "Base",
    "ContractBacktest",
    "ContractModel",
    "ContractValue",
    "Contracts",
    "Economics",
    "Levers",
    "Model",
    "Prediction",
    "Prior",
    "RenewalsDue",
    "Silence",
    "Simple",
    "Tracking",
    "backtest",
    "backtest_contracts",
    "contracts",
    "economics",
    "fit_contracts",
    "fit_model",
    "histories",
    "levers",
    "predict",
    "predict_contracts",
    "prior_predictive",
    "renewals_due",
    "silence",
    "simple",
    "stored_histories",
    "track",
]

lazy_package(__name__)
