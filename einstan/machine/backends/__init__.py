"""What knows an array library.  A backend is imported when a program is compiled for it, never before."""
