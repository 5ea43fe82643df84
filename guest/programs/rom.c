/* rom.c - facts about the VMI ROM, and how it answers for each call. */
#include "../lib/program.h"

static const char *const calls[] = {
    "CPUID", "WRMSR", "RDMSR", "SetGDT", "SetLDT", "SetIDT", "SetTR", "GetGDT", "GetLDT", "GetIDT", "GetTR", "WriteGDTEntry",
    "WriteLDTEntry", "WriteIDTEntry", "UpdateKernelStack", "SetCR0", "SetCR2", "SetCR3", "SetCR4", "GetCR0", "GetCR2", "GetCR3",
    "GetCR4", "WBINVD", "SetDR", "GetDR", "RDPMC", "RDTSC", "CLTS", "EnableInterrupts", "DisableInterrupts", "GetInterruptMask",
    "SetInterruptMask", "IRET", "SYSEXIT", "Halt", "Reboot", "Shutdown", "SetPxE", "SetPxELong", "UpdatePxE", "UpdatePxELong",
    "MachineToPhysical", "PhysicalToMachine", "AllocatePage", "ReleasePage", "InvalPage", "FlushTLB", "SetLinearMapping", "INL",
    "INB", "INW", "INSL", "INSB", "INSW", "OUTL", "OUTB", "OUTW", "OUTSL", "OUTSB", "OUTSW", "SetIOPLMask", "SetInitialAPState",
    "APICWrite", "APICRead", "IODelay", "GetCycleFrequency", "GetCycleCounter", "SetAlarm", "CancelAlarm", "GetWallclockTime",
    "WallclockUpdated", "SetCallbacks", "SetLazyMode"};

static const char *const types[] = {"native", "call", "jump", "nop"};

int main(void) {
  struct system_info info;
  get_info(SYS_system_info, 0, &info);
  if (!info.rom_phys) {
    printf("no VMI ROM in use\n");
    return 1;
  }
  printf("%s %s: API %u.%u, %u bytes at %#x, %u of %u sites patched\n", info.manufacturer, info.product, info.api_major, info.api_minor,
         info.rom_bytes, info.rom_phys, info.rom_patched, info.rom_sites);
  for (uint32_t call = 0; call < sizeof calls / sizeof *calls; call++) {
    struct rom_info answer;
    if (get_info(SYS_rom_info, call, &answer) < 0) return 1;
    const char *type = answer.type < 4 ? types[answer.type] : "unknown";
    printf("%2u %-17s %-6s %08x%s", call, calls[call], type, answer.target, call % 2 ? "\n" : "    ");
  }
  return 0;
}
