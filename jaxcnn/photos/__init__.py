"""Label and search one's own photos: find them, label them, keep the answers in one SQLite file.

`indexing` writes the file, `search` reads it; `store` says what lies in it.
"""
