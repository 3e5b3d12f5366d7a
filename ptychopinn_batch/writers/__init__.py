"""Writers of scans in the formats of others, frame block by frame block."""
