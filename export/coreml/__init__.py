"""Core ML: a student as ML Program packages, and what proves them without a Mac.

`convert` makes packages from a student, `mil_evaluator` runs a saved one in numpy, `parity` compares pictures. Nothing
here is imported before a Core ML package is asked for: coremltools is an extra.
"""
