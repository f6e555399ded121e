"""`python -m jaxcnn` does what the command `jaxcnn` does."""

from jaxcnn.cli import main

if __name__ == "__main__":
    main()
