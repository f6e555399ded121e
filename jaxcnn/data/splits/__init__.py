"""Which example is for training, validation and the test; examples that are equal or nearly so."""
