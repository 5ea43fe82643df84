/* sort.c - four sorts over the same numbers, through function pointers and recursion: they must agree. */
#include "torture.h"

#define COUNT 3000

static uint32_t numbers[COUNT], work[COUNT], other[COUNT];
static uint32_t comparisons;

typedef int (*order)(uint32_t a, uint32_t b);

static int ascending(uint32_t a, uint32_t b) {
  comparisons++;
  return a < b ? -1 : a > b;
}

static int signed_descending(uint32_t a, uint32_t b) {
  comparisons++;
  return (int32_t)a > (int32_t)b ? -1 : (int32_t)a < (int32_t)b;
}

static void quick(uint32_t *first, int count, order compare) {
  while (count > 1) {
    uint32_t pivot = first[count / 2];
    int low = 0, high = count - 1;
    while (low <= high) {
      while (compare(first[low], pivot) < 0) low++;
      while (compare(first[high], pivot) > 0) high--;
      if (low > high) break;
      uint32_t kept = first[low];
      first[low++] = first[high];
      first[high--] = kept;
    }
    quick(first, high + 1, compare);
    first += low;
    count -= low;
  }
}

static void sift(uint32_t *heap, int root, int count, order compare) {
  for (int child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare(heap[child], heap[child + 1]) < 0) child++;
    if (compare(heap[root], heap[child]) >= 0) return;
    uint32_t kept = heap[root];
    heap[root] = heap[child];
    heap[child] = kept;
  }
}

static void heap(uint32_t *first, int count, order compare) {
  for (int root = count / 2 - 1; root >= 0; root--) sift(first, root, count, compare);
  for (int last = count - 1; last > 0; last--) {
    uint32_t kept = first[0];
    first[0] = first[last];
    first[last] = kept;
    sift(first, 0, last, compare);
  }
}

static void merge(uint32_t *first, int count, order compare) {
  if (count < 2) return;
  int half = count / 2, left = 0, right = half;
  merge(first, half, compare);
  merge(first + half, count - half, compare);
  for (int i = 0; i < count; i++)
    other[i] = right == count || (left < half && compare(first[left], first[right]) <= 0) ? first[left++] : first[right++];
  memcpy(first, other, (uint32_t)count * sizeof *first);
}

static void shell(uint32_t *first, int count, order compare) {
  for (int gap = count / 2; gap > 0; gap /= 2) {
    for (int i = gap; i < count; i++) {
      uint32_t moving = first[i];
      int at = i;
      for (; at >= gap && compare(first[at - gap], moving) > 0; at -= gap) first[at] = first[at - gap];
      first[at] = moving;
    }
  }
}

static void run(const char *name, void (*sort)(uint32_t *, int, order), order compare) {
  memcpy(work, numbers, sizeof work);
  comparisons = 0;
  sort(work, COUNT, compare);
  uint32_t sum = MIX_START, wrong = 0;
  for (int i = 0; i < COUNT; i++) sum = mix(sum, work[i]);
  for (int i = 1; i < COUNT; i++) wrong += compare(work[i - 1], work[i]) > 0;
  printf("%-6s %08x, %u out of order, %u comparisons, from %08x to %08x\n", name, sum, wrong, comparisons, work[0],
         work[COUNT - 1]);
}

int main(void) {
  for (int i = 0; i < COUNT; i++) numbers[i] = i % 7 == 0 ? next_value() : next_random();
  static const order orders[] = {ascending, signed_descending};
  for (int i = 0; i < 2; i++) {
    run("quick", quick, orders[i]);
    run("heap", heap, orders[i]);
    run("merge", merge, orders[i]);
    run("shell", shell, orders[i]);
  }
  return 0;
}
