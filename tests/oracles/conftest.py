"""The models are no tests: they are what `test_models` trains, where PyTorch is installed."""

collect_ignore_glob = ["models/*.py"]
