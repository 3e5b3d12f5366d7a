"""Ptychodus looks for this name before it offers its PtychoPINN library; nothing is used of it."""
