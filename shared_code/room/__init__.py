"""Rooms: a sandboxed process for each picture, in which files of strangers are decoded."""
