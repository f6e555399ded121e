"""Images packed in files: data sets of Hugging Face (Parquet), tar shards in WebDataset's form."""
