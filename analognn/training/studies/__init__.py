"""The experiments of the source papers, one training method a module; `analognn.training.study` has the table."""
