"""What ``faltung demo`` computes, checks, times, draws and writes; one stage a file."""
