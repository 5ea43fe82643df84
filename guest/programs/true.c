/* true.c - does nothing; `bench` measures how long it takes to start. */
int main(void) { return 0; }
