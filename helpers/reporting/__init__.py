"""Findings, figures, tables, words and pages."""
