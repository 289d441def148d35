"""Customer lifetime value: purchase, spend and drop-out models, predictions and decisions."""
