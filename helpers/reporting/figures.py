"""Figures: one grammar for every chart. (Signature fixed; body under construction.)"""
