"""The table contract, its sources, its checks and the demo client."""
