/*
 * The vCPU state block as C++ sees it. Generated from src/vcpu/layout.ts, which also says what each word means:
 * change that file, then run `npm run build:layout`.
 */
#ifndef ROMULUS_LAYOUT_H
#define ROMULUS_LAYOUT_H

#include <cstddef>
#include <cstdint>

namespace romulus {

/* Size of one state block in bytes. */
constexpr std::size_t kStateBytes = 4096;

/* Byte offsets into the state block. */
namespace word {
constexpr std::size_t Eax = 0;
constexpr std::size_t Ecx = 4;
constexpr std::size_t Edx = 8;
constexpr std::size_t Ebx = 12;
constexpr std::size_t Esp = 16;
constexpr std::size_t Ebp = 20;
constexpr std::size_t Esi = 24;
constexpr std::size_t Edi = 28;
constexpr std::size_t Zero = 32;
constexpr std::size_t Eip = 36;
constexpr std::size_t Eflags = 40;
constexpr std::size_t InterruptFlag = 44;
constexpr std::size_t Shadow = 48;
constexpr std::size_t Cpl = 52;
constexpr std::size_t Halted = 56;
constexpr std::size_t Attention = 60;
constexpr std::size_t ExitReason = 64;
constexpr std::size_t Tid = 68;
constexpr std::size_t TimerLines = 72;
constexpr std::size_t Waiting = 76;
constexpr std::size_t Cr0 = 80;
constexpr std::size_t Cr2 = 84;
constexpr std::size_t Cr3 = 88;
constexpr std::size_t Cr4 = 92;
constexpr std::size_t GdtrBase = 96;
constexpr std::size_t GdtrLimit = 100;
constexpr std::size_t IdtrBase = 104;
constexpr std::size_t IdtrLimit = 108;
constexpr std::size_t Dr0 = 112;
constexpr std::size_t SysenterCs = 144;
constexpr std::size_t SysenterEsp = 148;
constexpr std::size_t SysenterEip = 152;
constexpr std::size_t TscOffset = 160;
constexpr std::size_t Efer = 168;
constexpr std::size_t Segments = 192;
constexpr std::size_t PicIrr = 320;
constexpr std::size_t Nmi = 324;
constexpr std::size_t PicOpen = 328;
constexpr std::size_t PicLevels = 332;
constexpr std::size_t NmiBlocked = 336;
constexpr std::size_t Raised = 384;
constexpr std::size_t Merged = 512;
constexpr std::size_t Delivered = 640;
constexpr std::size_t Instructions = 768;
constexpr std::size_t TimerSignals = 776;
constexpr std::size_t HostSignals = 784;
constexpr std::size_t Waits = 792;
constexpr std::size_t WaitNs = 800;
constexpr std::size_t Exits = 808;
constexpr std::size_t RomCalls = 832;
constexpr std::size_t RomExits = 1472;
constexpr std::size_t RecordedAt = 2112;
constexpr std::size_t Fxsave = 2304;
constexpr std::size_t Discarded = 2816;
constexpr std::size_t FpuStub = 2944;
constexpr std::size_t FpuStatus = 2948;
constexpr std::size_t FpuFlags = 2952;
constexpr std::size_t FpuDestination = 2960;
constexpr std::size_t FpuSource = 2976;
}  // namespace word

/* Byte offsets into one segment register's cache. */
namespace segment_word {
constexpr std::size_t Selector = 0;
constexpr std::size_t Base = 4;
constexpr std::size_t Limit = 8;
constexpr std::size_t Access = 12;
constexpr std::size_t Count = 16;
}  // namespace segment_word

/* Bits of word::Attention. */
namespace attention {
constexpr std::int32_t Interrupt = 1;
constexpr std::int32_t Timer = 2;
constexpr std::int32_t Device = 4;
constexpr std::int32_t Nmi = 8;
constexpr std::int32_t Pause = 16;
constexpr std::int32_t Stop = 32;
}  // namespace attention

/* Values of word::ExitReason. */
namespace exit_reason {
constexpr std::int32_t None = 0;
constexpr std::int32_t Shutdown = 1;
constexpr std::int32_t Reboot = 2;
constexpr std::int32_t TripleFault = 3;
constexpr std::int32_t DeadHalt = 4;
constexpr std::int32_t Killed = 5;
constexpr std::int32_t Stopped = 6;
}  // namespace exit_reason

}  // namespace romulus

#endif
