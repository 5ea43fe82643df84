/* channel.c - the descriptors, the two buffers, and finding the port. Read before: channel.h. Read after: command.c. */
#include "channel.h"

#include "../lib/linux.h"
#include "../lib/string.h"

#define INPUT_BYTES (HEADER_BYTES + PAYLOAD_BYTES_MAX + 1u)
#define OUTPUT_BYTES (4u * 65536u)
#define PORTS "/sys/class/virtio-ports/"
#define PATH_BYTES 128
/* The driver makes ports while it talks to the device, after its module has been loaded. */
#define PORT_TRIES 100
#define PORT_TRY_NS 100000000

/** Bytes between `start` and `end` wait; the buffer is moved to its beginning where an end would not fit. */
struct buffer {
  uint32_t start, end;
};

static int input_fd, output_fd;
static struct buffer input, output;
static char input_bytes[INPUT_BYTES] __attribute__((aligned(4)));
static char output_bytes[OUTPUT_BYTES] __attribute__((aligned(4)));

void say(const char *const parts[]) {
  linux_write(2, "romulus-agent: ", 15);
  for (; *parts; parts++) linux_write(2, *parts, strlen(*parts));
  linux_write(2, "\n", 1);
}

struct directory_entry {
  uint64_t inode;
  int64_t next;
  uint16_t bytes;
  uint8_t type;
  char name[];
} __attribute__((packed));

static void join(char path[PATH_BYTES], const char *const parts[]) {
  uint32_t length = 0;
  for (; *parts; parts++) {
    copy_text(path + length, *parts, PATH_BYTES - length);
    length += strlen(path + length);
  }
}

static bool is_exec_port(const char *device) {
  char path[PATH_BYTES], name[sizeof EXEC_PORT + 1];
  join(path, (const char *const[]){PORTS, device, "/name", 0});
  int fd = linux_open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  int bytes = linux_read(fd, name, sizeof name);
  linux_close(fd);
  return bytes >= (int)sizeof EXEC_PORT - 1 && !memcmp(name, EXEC_PORT, sizeof EXEC_PORT - 1) &&
         (bytes == sizeof EXEC_PORT - 1 || name[sizeof EXEC_PORT - 1] == '\n');
}

/** Opens the device whose name is the agent's, or returns a negative number. */
static int find_port(void) {
  static char entries[1024] __attribute__((aligned(8)));
  int folder = linux_open(PORTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC), port = -E_NOENT, bytes;
  if (folder < 0) return folder;
  while (port < 0 && (bytes = linux_call(SYS_getdents64, (uint32_t)folder, (uint32_t)entries, sizeof entries, 0, 0)) > 0) {
    for (int at = 0; at < bytes;) {
      const struct directory_entry *entry = (const struct directory_entry *)(entries + at);
      at += entry->bytes;
      if (entry->name[0] == '.' || !is_exec_port(entry->name)) continue;
      char path[PATH_BYTES];
      join(path, (const char *const[]){"/dev/", entry->name, 0});
      port = linux_open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      break;
    }
  }
  linux_close(folder);
  return port;
}

bool channel_open_port(void) {
  for (int tries = 0; tries < PORT_TRIES; tries++) {
    input_fd = output_fd = find_port();
    if (input_fd >= 0) return true;
    linux_ppoll(0, 0, &(struct timespec){0, PORT_TRY_NS}, 0);
  }
  say((const char *const[]){"there is no virtio port ", EXEC_PORT, " (is virtio_console loaded, and are /sys and /dev mounted?)", 0});
  return false;
}

void channel_use_standard(void) {
  input_fd = linux_fcntl(0, F_DUPFD_CLOEXEC, 3);
  output_fd = linux_fcntl(1, F_DUPFD_CLOEXEC, 3);
  linux_fcntl(input_fd, F_SETFL, O_RDWR | O_NONBLOCK);
  linux_fcntl(output_fd, F_SETFL, O_RDWR | O_NONBLOCK);
  int nothing = linux_open("/dev/null", O_RDWR | O_CLOEXEC);
  linux_call(SYS_dup3, (uint32_t)nothing, 0, 0, 0, 0);
  linux_call(SYS_dup3, (uint32_t)nothing, 1, 0, 0, 0);
  linux_close(nothing);
}

int channel_input_fd(void) { return input_fd; }
int channel_output_fd(void) { return output_fd; }
bool channel_has_reserve(void) { return OUTPUT_BYTES - (output.end - output.start) > RESERVE_BYTES; }
bool channel_wants_output(void) { return output.start < output.end; }

static void move_to_start(struct buffer *buffer, char *bytes) {
  if (buffer->start == 0) return;
  /* memcpy() goes upwards, so that moving down within one buffer is right. */
  memcpy(bytes, bytes + buffer->start, buffer->end - buffer->start);
  buffer->end -= buffer->start;
  buffer->start = 0;
}

enum channel_state channel_fill(void) {
  move_to_start(&input, input_bytes);
  if (input.end == INPUT_BYTES) return CHANNEL_UP;
  int bytes = linux_read(input_fd, input_bytes + input.end, INPUT_BYTES - input.end);
  if (bytes == 0) return input_fd == output_fd ? CHANNEL_NOBODY : CHANNEL_ENDED;
  if (bytes > 0) input.end += (uint32_t)bytes;
  return CHANNEL_UP;
}

const struct frame_header *channel_next(void) {
  uint32_t bytes = input.end - input.start;
  if (bytes < HEADER_BYTES) return 0;
  const struct frame_header *frame = (const struct frame_header *)(input_bytes + input.start);
  if (bytes - HEADER_BYTES < frame->payload_bytes) return 0;
  input.start += HEADER_BYTES + (uint32_t)frame->payload_bytes;
  return frame;
}

void channel_flush(void) {
  while (output.start < output.end) {
    int bytes = linux_write(output_fd, output_bytes + output.start, output.end - output.start);
    if (bytes <= 0) break;
    output.start += (uint32_t)bytes;
  }
  if (output.start == output.end) output.start = output.end = 0;
}

/** Makes room for a frame at the end of the buffer; a frame that finds none is the reserve counted wrongly. */
static char *append(uint32_t command, enum frame_type type, uint32_t payload_bytes) {
  if (OUTPUT_BYTES - output.end < HEADER_BYTES + payload_bytes) move_to_start(&output, output_bytes);
  if (OUTPUT_BYTES - output.end < HEADER_BYTES + payload_bytes) {
    say((const char *const[]){"too much to say at once", 0});
    linux_exit(1);
  }
  struct frame_header header = {command, (uint16_t)type, (uint16_t)payload_bytes};
  memcpy(output_bytes + output.end, &header, sizeof header);
  char *payload = output_bytes + output.end + HEADER_BYTES;
  output.end += HEADER_BYTES + payload_bytes;
  return payload;
}

void channel_send(uint32_t command, enum frame_type type, uint32_t numbers, uint32_t first, uint32_t second) {
  uint32_t payload[2] = {first, second};
  memcpy(append(command, type, numbers * 4), payload, numbers * 4);
}

uint32_t channel_room(void) {
  if (OUTPUT_BYTES - output.end < HEADER_BYTES + PAYLOAD_BYTES_MAX + RESERVE_BYTES) move_to_start(&output, output_bytes);
  uint32_t left = OUTPUT_BYTES - output.end;
  if (left <= HEADER_BYTES + RESERVE_BYTES) return 0;
  left -= HEADER_BYTES + RESERVE_BYTES;
  return left < PAYLOAD_BYTES_MAX ? left : PAYLOAD_BYTES_MAX;
}

char *channel_data(void) { return output_bytes + output.end + HEADER_BYTES; }

void channel_send_data(uint32_t command, enum frame_type type, uint32_t bytes) { append(command, type, bytes); }
