"""What FAT and exFAT share: clusters in chains, directories of 32-byte slots, local times.

Clusters are numbered from 2; cluster 2 is unit 0 of the file system.
"""
