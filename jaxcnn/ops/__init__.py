"""Operations that networks are made of, each with the semantics of `lax`."""
