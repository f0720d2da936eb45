//! A live run, written down so that `replay` judges it alike.
