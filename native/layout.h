/*
 * What C++ has to know of TypeScript: the vCPU state block above all. Generated from src/vcpu/layout.ts, which also says what
 * each word means, and the files named below: change those, then run `npm run build:layout`.
 */
#ifndef ROMULUS_LAYOUT_H
#define ROMULUS_LAYOUT_H

#ifdef __ASSEMBLER__

/* Byte offsets into the state block, for switch.S. */
#define WORD_Eax 0
#define WORD_Ecx 4
#define WORD_Edx 8
#define WORD_Ebx 12
#define WORD_Esp 16
#define WORD_Ebp 20
#define WORD_Esi 24
#define WORD_Edi 28
#define WORD_Zero 32
#define WORD_Eip 36
#define WORD_Eflags 40
#define WORD_InterruptFlag 44
#define WORD_Shadow 48
#define WORD_Cpl 52
#define WORD_Halted 56
#define WORD_Attention 60
#define WORD_ExitReason 64
#define WORD_Tid 68
#define WORD_Waiting 76
#define WORD_Cr0 80
#define WORD_Cr2 84
#define WORD_Cr3 88
#define WORD_Cr4 92
#define WORD_GdtrBase 96
#define WORD_GdtrLimit 100
#define WORD_IdtrBase 104
#define WORD_IdtrLimit 108
#define WORD_Dr0 112
#define WORD_SysenterCs 144
#define WORD_SysenterEsp 148
#define WORD_SysenterEip 152
#define WORD_TscOffset 160
#define WORD_Efer 168
#define WORD_Segments 192
#define WORD_PicIrr 320
#define WORD_Nmi 324
#define WORD_PicOpen 328
#define WORD_PicLevels 332
#define WORD_NmiBlocked 336
#define WORD_Raised 384
#define WORD_Merged 512
#define WORD_Delivered 640
#define WORD_Instructions 768
#define WORD_TimerSignals 776
#define WORD_HostSignals 784
#define WORD_Waits 792
#define WORD_WaitNs 800
#define WORD_Exits 808
#define WORD_RomCalls 832
#define WORD_RomExits 1472
#define WORD_RecordedAt 2112
#define WORD_Fxsave 2304
#define WORD_Discarded 2816
#define WORD_FpuStub 2944
#define WORD_FpuStatus 2948
#define WORD_FpuFlags 2952
#define WORD_FpuDestination 2960
#define WORD_FpuSource 2976
#define WORD_HostStack 3200
#define WORD_WindowBase 3208
#define WORD_JumpTable 3216
#define WORD_CodeBase 3224
#define WORD_NextEip 3232
#define WORD_XlateExit 3236
#define WORD_FaultLinear 3240
#define WORD_FaultError 3244
#define WORD_FaultOffset 3248
#define WORD_FaultVector 3252
#define WORD_FpuLive 3256
#define WORD_HostMxcsr 3260
#define WORD_HostFcw 3264
#define WORD_XlateEntry 3272
#define WORD_XlateInstall 3276
#define WORD_WindowFull 3280
#define WORD_WindowFaults 3288
#define WORD_XlateScratch 3296
#define WORD_XlateEnters 3328
#define WORD_FpuUsable 3336
#define WORD_XlateRefresh 3340
#define WORD_RomStart 3344
#define WORD_Shortcuts 3352
#define WORD_FaultEip 3360
#define WORD_FaultDelivered 3364
#define WORD_ReflectFaults 3368
#define WORD_Reflections 3376
#define WORD_FsAway 3400
#define WORD_GsAway 3408
#define WORD_XlateInstallNext 3416
#define WORD_FlushCount 3424
#define WORD_TableChanges 3428
#define WORD_RomCallFirst 3432
#define WORD_RomCallLast 3436
#define WORD_FlushedPages 3440
#define WORD_ClockStart 3504
#define WORD_Strategy 3600
#define WORD_MaskSignals 3604
#define WORD_HostMasked 3608
#define WORD_MaskCalls 3616
#define WORD_HostCalls 3624
#define WORD_FlagSwitches 3632
#define WORD_Traps 3640
#define WORD_TrapSegmentReads 3648
#define WORD_TrapTableReads 3656
#define WORD_TrapFetchBytes 3664
#define WORD_TrapDecodes 3672
#define WORD_TrapEmulations 3680
#define WORD_Forwarded 3688
#define WORD_Samples 3696
#define WORD_InHost 3712
#define WORD_TrapSignals 3784
#define WORD_WindowsLost 3792
#define WORD_KnownSegments 3808
#define XLATE_EXIT_Miss 0
#define XLATE_EXIT_Attention 1
#define XLATE_EXIT_Interpret 2
#define XLATE_EXIT_Fault 3
#define XLATE_EXIT_Slow 4
#define XLATE_EXIT_Halt 5
#define XLATE_EXIT_Trap 6

#else

#include <cstddef>
#include <cstdint>

namespace romulus {

/* Size of one state block in bytes. */
constexpr std::size_t kStateBytes = 4096;
constexpr std::uint32_t kFlushedPages = 16;
constexpr std::uint64_t kAway = 0x40000000ull << 32;

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
constexpr std::size_t HostStack = 3200;
constexpr std::size_t WindowBase = 3208;
constexpr std::size_t JumpTable = 3216;
constexpr std::size_t CodeBase = 3224;
constexpr std::size_t NextEip = 3232;
constexpr std::size_t XlateExit = 3236;
constexpr std::size_t FaultLinear = 3240;
constexpr std::size_t FaultError = 3244;
constexpr std::size_t FaultOffset = 3248;
constexpr std::size_t FaultVector = 3252;
constexpr std::size_t FpuLive = 3256;
constexpr std::size_t HostMxcsr = 3260;
constexpr std::size_t HostFcw = 3264;
constexpr std::size_t XlateEntry = 3272;
constexpr std::size_t XlateInstall = 3276;
constexpr std::size_t WindowFull = 3280;
constexpr std::size_t WindowFaults = 3288;
constexpr std::size_t XlateScratch = 3296;
constexpr std::size_t XlateEnters = 3328;
constexpr std::size_t FpuUsable = 3336;
constexpr std::size_t XlateRefresh = 3340;
constexpr std::size_t RomStart = 3344;
constexpr std::size_t Shortcuts = 3352;
constexpr std::size_t FaultEip = 3360;
constexpr std::size_t FaultDelivered = 3364;
constexpr std::size_t ReflectFaults = 3368;
constexpr std::size_t Reflections = 3376;
constexpr std::size_t FsAway = 3400;
constexpr std::size_t GsAway = 3408;
constexpr std::size_t XlateInstallNext = 3416;
constexpr std::size_t FlushCount = 3424;
constexpr std::size_t TableChanges = 3428;
constexpr std::size_t RomCallFirst = 3432;
constexpr std::size_t RomCallLast = 3436;
constexpr std::size_t FlushedPages = 3440;
constexpr std::size_t ClockStart = 3504;
constexpr std::size_t Strategy = 3600;
constexpr std::size_t MaskSignals = 3604;
constexpr std::size_t HostMasked = 3608;
constexpr std::size_t MaskCalls = 3616;
constexpr std::size_t HostCalls = 3624;
constexpr std::size_t FlagSwitches = 3632;
constexpr std::size_t Traps = 3640;
constexpr std::size_t TrapSegmentReads = 3648;
constexpr std::size_t TrapTableReads = 3656;
constexpr std::size_t TrapFetchBytes = 3664;
constexpr std::size_t TrapDecodes = 3672;
constexpr std::size_t TrapEmulations = 3680;
constexpr std::size_t Forwarded = 3688;
constexpr std::size_t Samples = 3696;
constexpr std::size_t InHost = 3712;
constexpr std::size_t TrapSignals = 3784;
constexpr std::size_t WindowsLost = 3792;
constexpr std::size_t KnownSegments = 3808;
}  // namespace word

/* Byte offsets into one segment register's cache. */
namespace segment_word {
constexpr std::size_t Selector = 0;
constexpr std::size_t Base = 4;
constexpr std::size_t Limit = 8;
constexpr std::size_t Access = 12;
constexpr std::size_t Count = 16;
}  // namespace segment_word

/* Words of `word::KnownSegments`, by their distance from the first of a segment. */
namespace known_word {
constexpr std::size_t Selector = 0;
constexpr std::size_t Low = 4;
constexpr std::size_t High = 8;
constexpr std::size_t Base = 12;
constexpr std::size_t Access = 16;
constexpr std::size_t Count = 20;
}  // namespace known_word

/* Bits of word::Attention. */
namespace attention {
constexpr std::int32_t Interrupt = 1;
constexpr std::int32_t Timer = 2;
constexpr std::int32_t Device = 4;
constexpr std::int32_t Nmi = 8;
constexpr std::int32_t Pause = 16;
constexpr std::int32_t Stop = 32;
constexpr std::int32_t Sample = 64;
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
constexpr std::int32_t Panicked = 7;
}  // namespace exit_reason

/* Values of word::XlateExit. */
namespace xlate_exit {
constexpr std::int32_t Miss = 0;
constexpr std::int32_t Attention = 1;
constexpr std::int32_t Interpret = 2;
constexpr std::int32_t Fault = 3;
constexpr std::int32_t Slow = 4;
constexpr std::int32_t Halt = 5;
constexpr std::int32_t Trap = 6;
}  // namespace xlate_exit

/* Values of word::Strategy. */
namespace strategy {
constexpr std::int32_t VirtualMask = 0;
constexpr std::int32_t HostMask = 1;
constexpr std::int32_t TrapAndEmulate = 2;
}  // namespace strategy

/* Values of word::MaskSignals. */
namespace mask_signals {
constexpr std::int32_t Realtime = 0;
constexpr std::int32_t Standard = 1;
}  // namespace mask_signals

/* Bits of a page in Translator::direct (src/memory/phys.ts). */
namespace direct {
constexpr std::uint8_t Read = 1;
constexpr std::uint8_t Write = 2;
constexpr std::uint8_t Code = 4;
}  // namespace direct

/* Offsets into the code buffer (src/translator/stubs.ts). */
namespace stub {
constexpr std::uint64_t Miss = 0;
constexpr std::uint64_t Attention = 32;
constexpr std::uint64_t Interpret = 64;
constexpr std::uint64_t FpuLoad = 96;
constexpr std::uint64_t Exit = 192;
constexpr std::uint64_t End = 512;
}  // namespace stub

/* The ROM (src/rom/slots.ts, calls.ts). */
namespace rom {
constexpr std::uint32_t SlotsOffset = 1024;
constexpr std::uint32_t SlotBytes = 16;
constexpr std::uint32_t IRETCall = 33;
constexpr std::uint32_t SYSEXITCall = 34;
constexpr std::uint32_t UpdateKernelStackCall = 14;
constexpr std::uint32_t SetPxECall = 38;
constexpr std::uint32_t UpdatePxECall = 40;
constexpr std::uint32_t InvalPageCall = 46;
constexpr std::uint32_t GetCycleCounterCall = 67;
}  // namespace rom

}  // namespace romulus

#endif /* __ASSEMBLER__ */

#endif
