"""On which kinds of machine an image starts (script/bootmatrix); see docs/boot-matrix.md."""
