"""Recurrent and dense layers as functions, and streams of them."""
