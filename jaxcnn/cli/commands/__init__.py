"""One module per command of `jaxcnn`, named as it; each defines its flags and is its `--help`."""
