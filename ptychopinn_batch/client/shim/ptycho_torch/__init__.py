"""What Ptychodus 1.7.0 imports of PtychoPINN to reconstruct, on top of ptychopinn-batch."""
