/*
 * Hosts on this machine, and the network between them, for tests: each host is a set of namespaces (network, host name,
 * mounts, processes, System V memory) with a /dev/shm and a folder LOCAL of its own and one Ethernet interface, a TAP
 * device whose frames come here; this process is the switch. It delays every frame by the latency of the network,
 * loses those of a host whose link is cut, and keeps those of one that is held.
 *
 *   sinode_test_network LOCAL NAME...
 *
 * Host k = 1, 2, ... has the address 10.0.0.k; the numbers of the hosts' first processes are printed in one line. Lines
 * on stdin are commands, each answered by "done":
 *   latency MICROSECONDS     of every frame from now on, one way
 *   cut K, join K            the link of host k; the interface does not notice, as with a switch that fails
 *   hold K MICROSECONDS      frames from host k arrive so much later than now at the earliest, in order
 *   kill K                   host k loses its power: the link is cut and all its processes end
 * The end of stdin ends all hosts, and so does the death of this process.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HOSTS_MOST = 8, MTU = 9000, FRAME_MOST = MTU + 18, ADDRESS = 6, STACK = 1 << 16 };

typedef struct frame {
  struct frame *next;
  int64_t due; /* nanoseconds of the monotonic clock */
  size_t length;
  unsigned char bytes[];
} frame;

/* Frames on their way from one host to another, in order. */
typedef struct {
  frame *first, *last;
} queue;

typedef struct {
  const char *name;
  pid_t process;
  int device;
  bool cut;
  int64_t held_until;
  queue to[HOSTS_MOST];
} host;

static host hosts[HOSTS_MOST];
static int count;
static const char *local;
static int64_t latency;

static void fail(const char *what) {
  fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

static void see(bool done, const char *what) {
  if (!done) fail(what);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The first process of a host: waits for the orphans of the others. */
static int live(void *argument) {
  const host *self = argument;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  see(sethostname(self->name, strlen(self->name)) == 0, "set the name of a host");
  see(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make the mounts of a host its own");
  see(mount("proc", "/proc", "proc", 0, NULL) == 0, "mount /proc");
  see(mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") == 0, "mount /dev/shm");
  see(mount("local", local, "tmpfs", 0, "mode=1777") == 0, "mount the local folder of a host");
  closefrom(0); /* other hosts' devices too */
  for (;;) {
    while (waitpid(-1, NULL, 0) > 0) continue;
    usleep(100000); /* there is nobody */
  }
  return 0;
}

static void start(host *h) {
  static char stack[STACK];
  const int flags = CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD;
  h->process = clone(live, stack + STACK, flags, h);
  see(h->process > 0, "make namespaces");
}

static void set_flags(int socket_of_host, const char *interface) {
  struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
  snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
  see(ioctl(socket_of_host, SIOCSIFFLAGS, &request) == 0, "bring an interface up");
}

static void set_address(int socket_of_host, unsigned long command, const char *address) {
  struct ifreq request = {.ifr_name = "eth0"};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  see(ioctl(socket_of_host, command, &request) == 0, "give an interface its address");
}

/* The host's interface; what it sends can be read from h->device. Both ends are made inside, and this end is kept. */
static void connect_host(host *h, int number) {
  char path[64], address[32];
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)h->process);
  const int inside = open(path, O_RDONLY | O_CLOEXEC), outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  see(inside >= 0 && outside >= 0 && setns(inside, CLONE_NEWNET) == 0, "enter a network namespace");
  h->device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  see(h->device >= 0, "open /dev/net/tun");
  struct ifreq request = {.ifr_name = "eth0", .ifr_flags = IFF_TAP | IFF_NO_PI};
  see(ioctl(h->device, TUNSETIFF, &request) == 0, "make a TAP device");
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  request = (struct ifreq){.ifr_name = "eth0", .ifr_mtu = MTU};
  see(ioctl(any, SIOCSIFMTU, &request) == 0, "set the MTU");
  request = (struct ifreq){.ifr_name = "eth0", .ifr_hwaddr = {.sa_family = ARPHRD_ETHER, .sa_data = {2}}};
  request.ifr_hwaddr.sa_data[ADDRESS - 1] = (char)number;
  see(ioctl(any, SIOCSIFHWADDR, &request) == 0, "set the hardware address");
  snprintf(address, sizeof address, "10.0.0.%d", number);
  set_address(any, SIOCSIFADDR, address);
  set_address(any, SIOCSIFNETMASK, "255.255.255.0");
  set_flags(any, "eth0");
  set_flags(any, "lo");
  close(any);
  see(setns(outside, CLONE_NEWNET) == 0, "leave a network namespace");
  close(inside);
  close(outside);
}

static void put(host *from, int to, const unsigned char *bytes, size_t length) {
  queue *q = &from->to[to];
  frame *f = malloc(sizeof *f + length);
  see(f != NULL, "keep a frame");
  const int64_t due = now() + latency, last = q->last ? q->last->due : 0;
  *f = (frame){.due = due > from->held_until ? due : from->held_until, .length = length};
  if (f->due < last) f->due = last; /* the latency has become shorter */
  memcpy(f->bytes, bytes, length);
  if (q->last)
    q->last->next = f;
  else
    q->first = f;
  q->last = f;
}

/* Takes what a host has sent, to the host whose number ends the address, or to all. */
static void take(int from) {
  unsigned char bytes[FRAME_MOST];
  for (;;) {
    const ssize_t length = read(hosts[from].device, bytes, sizeof bytes);
    if (length < ADDRESS) return;
    if (hosts[from].cut) continue;
    const bool all = bytes[0] & 1;
    for (int to = 0; to < count; to++)
      if (to != from && (all || bytes[ADDRESS - 1] == to + 1)) put(&hosts[from], to, bytes, (size_t)length);
  }
}

/* Delivers what is due; when the next is. */
static int64_t deliver(void) {
  int64_t next = INT64_MAX;
  for (int from = 0; from < count; from++)
    for (int to = 0; to < count; to++) {
      queue *q = &hosts[from].to[to];
      while (q->first && q->first->due <= now()) {
        frame *f = q->first;
        q->first = f->next;
        if (!q->first) q->last = NULL;
        /* A full device loses the frame, as switches do. */
        if (!hosts[from].cut && !hosts[to].cut && write(hosts[to].device, f->bytes, f->length) < 0) errno = 0;
        free(f);
      }
      if (q->first && q->first->due < next) next = q->first->due;
    }
  return next;
}

/* With the first process of a host go all others. */
static void end(const host *h) {
  kill(h->process, SIGKILL);
  waitpid(h->process, NULL, 0);
}

static void obey(const char *line) {
  char word[16] = "";
  long long number = 0, time = 0;
  const int words = sscanf(line, "%15s %lld %lld", word, &number, &time);
  host *h = number >= 1 && number <= count ? &hosts[number - 1] : NULL;
  if (words == 2 && strcmp(word, "latency") == 0) {
    latency = number * 1000;
  } else if (words == 2 && h && (strcmp(word, "cut") == 0 || strcmp(word, "join") == 0)) {
    h->cut = *word == 'c';
  } else if (words == 3 && h && strcmp(word, "hold") == 0) {
    h->held_until = now() + time * 1000;
  } else if (words == 2 && h && strcmp(word, "kill") == 0) {
    h->cut = true;
    end(h);
  } else {
    fprintf(stderr, "no such command: %s\n", line);
    exit(2);
  }
  puts("done");
  fflush(stdout);
}

static void pass_on(void) {
  struct pollfd events[HOSTS_MOST + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
  for (int k = 0; k < count; k++) events[k + 1] = (struct pollfd){.fd = hosts[k].device, .events = POLLIN};
  for (;;) {
    const int64_t next = deliver(), left = next == INT64_MAX ? 0 : next - now();
    const struct timespec wait = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
    const int found = ppoll(events, (nfds_t)count + 1, next == INT64_MAX ? NULL : &wait, NULL);
    if (found < 0 && errno != EINTR) fail("wait for frames");
    if (found <= 0) continue;
    for (int k = 0; k < count; k++)
      if (events[k + 1].revents & POLLIN) take(k);
    if (events[0].revents) {
      char line[128];
      if (!fgets(line, sizeof line, stdin)) return;
      obey(line);
    }
  }
}

int main(int argc, char **argv) {
  count = argc - 2;
  if (count < 1 || count > HOSTS_MOST) {
    fprintf(stderr, "usage: sinode_test_network LOCAL NAME..., of 1 to %d hosts\n", HOSTS_MOST);
    return 2;
  }
  local = argv[1];
  setvbuf(stdin, NULL, _IONBF, 0); /* poll sees what is not read yet */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int k = 0; k < count; k++) {
    hosts[k].name = argv[k + 2];
    start(&hosts[k]);
    connect_host(&hosts[k], k + 1);
  }
  /* Delays are to be as stated however busy the cores are. */
  const struct sched_param priority = {.sched_priority = 10};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  prctl(PR_SET_TIMERSLACK, 1);
  for (int k = 0; k < count; k++) printf("%d ", (int)hosts[k].process);
  puts("");
  fflush(stdout);
  pass_on();
  for (int k = 0; k < count; k++) end(&hosts[k]);
  return 0;
}
