"""What sensors' commands really printed, as people posted it, and what it says.

Sources: test data of DataDog/datadog-agent (Apache-2.0; Nano, TX1, TX2, AGX Xavier, AGX Orin on JetPack 6), its issue
17678 (Orin NX), pull request 1631 of henrygd/beszel (TX2 on JetPack 4), owners' logs of AGX Orin on JetPack 5 and with a
sensor below zero, and of AGX Thor on Jetson Linux 38.4 and 39.2.
"""

# ruff: noqa: E501 (lines are as they were printed)

from __future__ import annotations

#: Board -> (a line, its rails in watts, the rails that are the whole, its clocks, its temperatures).
TEGRASTATS = {
    "nano": (
        "RAM 613/3964MB (lfb 634x4MB) SWAP 0/1982MB (cached 0MB) CPU [2%@102,1%@102,0%@102,0%@102] EMC_FREQ 0% "
        "GR3D_FREQ 0% PLL@39C CPU@40.5C PMIC@100C GPU@41C AO@46C thermal@41C POM_5V_IN 900/943 POM_5V_GPU 0/0 "
        "POM_5V_CPU 123/123",
        {"POM_5V_IN": 0.9, "POM_5V_GPU": 0.0, "POM_5V_CPU": 0.123},
        ("POM_5V_IN",),
        {"cpu": 102},
        {"CPU": 40.5, "GPU": 41, "AO": 46, "PLL": 39, "thermal": 41},
    ),
    "tx1": (
        "RAM 1179/3983MB (lfb 120x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@102,4%@102,0%@102,0%@102] EMC_FREQ 7%@408 "
        "GR3D_FREQ 0%@76 APE 25 AO@42.5C CPU@37.5C GPU@39C PLL@37C Tdiode@42.75C PMIC@100C Tboard@42C thermal@38.5C "
        "VDD_IN 2532/2698 VDD_CPU 76/178 VDD_GPU 19/19",
        {"VDD_IN": 2.532, "VDD_CPU": 0.076, "VDD_GPU": 0.019},
        ("VDD_IN",),
        {"cpu": 102, "gpu": 76, "memory": 408},
        {"AO": 42.5, "CPU": 37.5, "GPU": 39, "PLL": 37, "Tdiode": 42.75, "Tboard": 42, "thermal": 38.5},
    ),
    "tx2": (
        "RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,off,off,off] EMC_FREQ 13%@40 "
        "GR3D_FREQ 0%@114 APE 150 BCPU@35C MCPU@35C GPU@41C PLL@35C AO@35.5C Tboard@35C Tdiode@36C PMIC@100C "
        "thermal@35.5C VDD_IN 2003/2658 VDD_CPU 320/518 VDD_GPU 400/735 VDD_SOC 400/415 VDD_WIFI 0/0 VDD_DDR 240/348",
        {"VDD_IN": 2.003, "VDD_CPU": 0.32, "VDD_GPU": 0.4, "VDD_SOC": 0.4, "VDD_WIFI": 0.0, "VDD_DDR": 0.24},
        ("VDD_IN",),
        {"cpu": 345, "gpu": 114, "memory": 40},
        {"BCPU": 35, "MCPU": 35, "GPU": 41, "PLL": 35, "AO": 35.5, "Tboard": 35, "Tdiode": 36, "thermal": 35.5},
    ),
    "tx2-jetpack4": (
        "RAM 3276/7859MB (lfb 5x4MB) SWAP 1626/12122MB (cached 181MB) CPU [44%@1421,49%@2031,67%@2034,17%@1420,"
        "25%@1419,8%@1420] EMC_FREQ 1%@1866 GR3D_FREQ 0%@114 APE 150 MTS fg 1% bg 1% PLL@42.5C MCPU@42.5C PMIC@50C "
        "Tboard@38C GPU@39.5C BCPU@42.5C thermal@41.3C Tdiode@39.25C VDD_SYS_GPU 182/182 VDD_SYS_SOC 730/730 "
        "VDD_4V0_WIFI 0/0 VDD_IN 5297/5297 VDD_SYS_CPU 1917/1917 VDD_SYS_DDR 1241/1241",
        {
            "VDD_SYS_GPU": 0.182,
            "VDD_SYS_SOC": 0.73,
            "VDD_4V0_WIFI": 0.0,
            "VDD_IN": 5.297,
            "VDD_SYS_CPU": 1.917,
            "VDD_SYS_DDR": 1.241,
        },
        ("VDD_IN",),
        {"cpu": (1421 + 2031 + 2034 + 1420 + 1419 + 1420) / 6, "gpu": 114, "memory": 1866},
        {"PLL": 42.5, "MCPU": 42.5, "Tboard": 38, "GPU": 39.5, "BCPU": 42.5, "thermal": 41.3, "Tdiode": 39.25},
    ),
    "agx-xavier": (
        "RAM 1903/15692MB (lfb 3251x4MB) CPU [1%@1190,1%@1190,2%@1190,0%@1190,0%@1190,0%@1190,0%@1190,0%@1190] "
        "EMC_FREQ 0% GR3D_FREQ 0% AO@32.5C GPU@32C Tboard@32C Tdiode@34.75C AUX@31.5C CPU@33.5C thermal@32.9C PMIC@100C "
        "GPU 0/0 CPU 216/216 SOC 864/864 CV 0/0 VDDRQ 144/144 SYS5V 1889/1889",
        {"GPU": 0.0, "CPU": 0.216, "SOC": 0.864, "CV": 0.0, "VDDRQ": 0.144, "SYS5V": 1.889},
        ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
        {"cpu": 1190},
        {"AO": 32.5, "GPU": 32, "Tboard": 32, "Tdiode": 34.75, "AUX": 31.5, "CPU": 33.5, "thermal": 32.9},
    ),
    "orin-nx": (
        "06-16-2023 10:45:09 RAM 6334/15388MB (lfb 1770x4MB) SWAP 491/7694MB (cached 0MB) CPU [6%@729,9%@729,5%@729,"
        "16%@729,off,off,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 0%@611 GR3D2_FREQ 0%@0 VIC_FREQ 729 APE 174 CV0@45.812C "
        "CPU@47.937C SOC2@46.093C SOC0@46.968C CV1@46.406C GPU@45.875C tj@48.875C SOC1@48.875C CV2@45.75C "
        "VDD_IN 5299mW/5299mW VDD_CPU_GPU_CV 773mW/773mW VDD_SOC 1424mW/1424mW",
        {"VDD_IN": 5.299, "VDD_CPU_GPU_CV": 0.773, "VDD_SOC": 1.424},
        ("VDD_IN",),
        {"cpu": 729, "gpu": 611, "memory": 2133},
        {
            "CV0": 45.812,
            "CPU": 47.937,
            "SOC2": 46.093,
            "SOC0": 46.968,
            "CV1": 46.406,
            "GPU": 45.875,
            "tj": 48.875,
            "SOC1": 48.875,
            "CV2": 45.75,
        },
    ),
    "agx-orin-jetpack5": (
        "04-24-2023 00:01:24 RAM 1282/62795MB (lfb 15152x4MB) SWAP 0/31398MB (cached 0MB) CPU [0%@729,0%@729,0%@729,"
        "0%@729,0%@729,0%@729,0%@729,0%@729,0%@729,0%@729,0%@729,0%@729] EMC_FREQ 0%@2133 GR3D_FREQ 0%@0 GR3D2_FREQ "
        "0%@0 VIC_FREQ 729 APE 174 CV0@-256C CPU@42.593C Tboard@32C SOC2@39.343C Tdiode@33.25C SOC0@39.375C CV1@-256C "
        "GPU@-256C tj@42.593C SOC1@40.468C CV2@-256C VDD_GPU_SOC 2399mW/2399mW VDD_CPU_CV 400mW/400mW VIN_SYS_5V0 "
        "4032mW/4032mW NC 0mW/0mW VDDQ_VDD2_1V8AO 301mW/301mW NC 0mW/0mW",
        {"VDD_GPU_SOC": 2.399, "VDD_CPU_CV": 0.4, "VIN_SYS_5V0": 4.032, "VDDQ_VDD2_1V8AO": 0.301},
        ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        {"cpu": 729, "gpu": 0, "memory": 2133},
        {
            "CPU": 42.593,
            "Tboard": 32,
            "SOC2": 39.343,
            "Tdiode": 33.25,
            "SOC0": 39.375,
            "tj": 42.593,
            "SOC1": 40.468,
        },
    ),
    "agx-orin-jetpack6": (
        "RAM 29114/30697MB (lfb 3x4MB)    SWAP 4915/15348MB (cached 1MB) CPU [3%@729,4%@729,0%@729,1%@729,0%@2201,"
        "100%@2201,1%@2201,0%@2201,100%@2201,0%@2201,0%@2201,0%@2201] EMC_FREQ 1%@2133 GR3D_FREQ 0%@[305,305] NVENC      "
        "off  NVDEC    off NVJPG off NVJPG1    off         VIC        off          OFA           off          NVDLA0    "
        "off       NVDLA1     off          PVA0_FREQ off         APE           174        cpu@53.062C soc2@48.25C "
        "soc0@48.843C  gpu@47.812C tj@53.062C soc1@48.968C    VDD_GPU_SOC 3205mW/3205mW VDD_CPU_CV 4405mW/4405mW "
        "VIN_SYS_5V0 4767mW/4767mW",
        {"VDD_GPU_SOC": 3.205, "VDD_CPU_CV": 4.405, "VIN_SYS_5V0": 4.767},
        ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        {"cpu": (4 * 729 + 8 * 2201) / 12, "gpu": 305, "memory": 2133},
        {"cpu": 53.062, "soc2": 48.25, "soc0": 48.843, "gpu": 47.812, "tj": 53.062, "soc1": 48.968},
    ),
    "agx-orin-below-zero": (
        "03-17-2024 18:54:10 RAM 10239/62841MB (lfb 442x4MB) SWAP 1/31421MB (cached 0MB) CPU [0%@1728,0%@1728,0%@1728,"
        "0%@1728,0%@1420,0%@1420,0%@1420,0%@1420,off,off,off,off] GR3D_FREQ 0% cpu@37.5C tboard@27C soc2@34.562C "
        "tdiode@27.5C soc0@34.531C tj@37.5C soc1@33.656C VDD_GPU_SOC 1592mW/1592mW VDD_CPU_CV -398mW/-398mW VIN_SYS_5V0 "
        "2624mW/2624mW VDDQ_VDD2_1V8AO 403mW/403mW",
        {"VDD_GPU_SOC": 1.592, "VDD_CPU_CV": -0.398, "VIN_SYS_5V0": 2.624, "VDDQ_VDD2_1V8AO": 0.403},
        ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        {"cpu": 1574},
        {"cpu": 37.5, "tboard": 27, "soc2": 34.562, "tdiode": 27.5, "soc0": 34.531, "tj": 37.5, "soc1": 33.656},
    ),
    "thor-38.4": (
        "04-21-2026 15:50:52 RAM 105265/125772MB (lfb 34x4MB) CPU [0%@972,0%@972,0%@972,0%@972,0%@972,0%@972,1%@972,"
        "0%@972,0%@972,0%@972,0%@972,8%@972,0%@972,0%@972] EMC_FREQ 0%@2750 GR3D_FREQ @[314,314,314] NVENC0_FREQ @314 "
        "NVENC1_FREQ @314 NVDEC0_FREQ @314 NVDEC1_FREQ @314 NVJPG0_FREQ @314 VIC off OFA_FREQ @315 PVA0_FREQ off APE 300 "
        "cpu@37.343C tj@38.875C soc012@37.468C gpu@38.875C soc345@37.406C VDD_GPU 1962mW/1962mW VDD_CPU_SOC_MSS "
        "5887mW/5887mW VIN_SYS_5V0 5635mW/5635mW VIN 19780mW/19780mW",
        {"VDD_GPU": 1.962, "VDD_CPU_SOC_MSS": 5.887, "VIN_SYS_5V0": 5.635, "VIN": 19.78},
        ("VIN",),
        {"cpu": 972, "gpu": 314, "memory": 2750},
        {"cpu": 37.343, "tj": 38.875, "soc012": 37.468, "gpu": 38.875, "soc345": 37.406},
    ),
    "thor-39.2-three-values": (
        "08-08-2026 21:00:39 RAM 8353/125749MB (lfb 31x4MB) CPU [90%@2601,75%@2601,off,7%@2601] EMC_FREQ 34%@4266 "
        "GR3D_FREQ 87%@[1574,1574,1574] NVENC0_FREQ @1691 VIC off cpu@58.25C/61.75C tj@66.625C/66.625C "
        "gpu@56.937C/66.625C soc012@55.375C/58.781C soc345@55.812C/60.031C VDD_GPU 37939mW/8660mW/37939mW "
        "VDD_CPU_SOC_MSS 30059mW/12281mW/30059mW VIN_SYS_5V0 15486mW/7424mW/15486mW VIN 124486mW/36487mW/124486mW",
        {"VDD_GPU": 37.939, "VDD_CPU_SOC_MSS": 30.059, "VIN_SYS_5V0": 15.486, "VIN": 124.486},
        ("VIN",),
        {"cpu": 2601, "gpu": 1574, "memory": 4266},
        {"cpu": 58.25, "tj": 66.625, "gpu": 56.937, "soc012": 55.375, "soc345": 55.812},
    ),
    "thor-without-a-mean": (
        "RAM 117456/125772MB (lfb 9x4MB) CPU [0%@1890,5%@1890,2%@972,0%@972] cpu@43.812C tj@44.218C soc012@42.5C "
        "gpu@43.968C soc345@44.187C VDD_GPU 5517mW VDD_CPU_SOC_MSS 7484mW VIN_SYS_5V0 6309mW VIN 28548mW",
        {"VDD_GPU": 5.517, "VDD_CPU_SOC_MSS": 7.484, "VIN_SYS_5V0": 6.309, "VIN": 28.548},
        ("VIN",),
        {"cpu": 1431},
        {"cpu": 43.812, "tj": 44.218, "soc012": 42.5, "gpu": 43.968, "soc345": 44.187},
    ),
    "release-28": (
        "RAM 3607/3983MB (lfb 47x4MB) SWAP 873/8192MB (cached 281MB) cpu [17%,11%,65%,0%]@1734 EMC 1%@1600 APE 25 "
        "GR3D 39%@76",
        {},
        (),
        {"cpu": 1734, "gpu": 76, "memory": 1600},
        {},
    ),
}

#: nvidia-smi --query-gpu=index,power.draw,temperature.gpu,clocks.sm,clocks.mem,clocks_event_reasons.active
#: --format=csv,noheader,nounits: the field's form as its manual has it, values of posted logs.
NVIDIA_SMI = "0, 71.22, 41, 345, 2619, 0x0000000000000001\n1, 699.80, 71, 1590, 2619, 0x0000000000000004\n"
NVIDIA_SMI_WITHOUT_POWER = "0, [N/A], [N/A], [N/A], [N/A], [N/A]\n"

#: One sample of `powermetrics --samplers cpu_power,gpu_power,thermal -f plist`, as posted, its clusters shortened.
POWERMETRICS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
<key>is_delta</key><true/>
<key>elapsed_ns</key><integer>506203458</integer>
<key>thermal_pressure</key><string>Nominal</string>
<key>processor</key>
<dict>
<key>clusters</key>
<array>
<dict><key>name</key><string>E-Cluster</string><key>freq_hz</key><real>1.0152e+09</real></dict>
<dict><key>name</key><string>P0-Cluster</string><key>freq_hz</key><real>3.2204e+09</real></dict>
</array>
<key>cpu_energy</key><integer>1508</integer>
<key>cpu_power</key><real>2978.45</real>
<key>gpu_power</key><real>269.614</real>
<key>ane_power</key><real>0</real>
<key>combined_power</key><real>3248.07</real>
</dict>
<key>gpu</key>
<dict>
<key>freq_hz</key><real>338</real>
<key>idle_ratio</key><real>0.877343</real>
</dict>
</dict>
</plist>
"""
