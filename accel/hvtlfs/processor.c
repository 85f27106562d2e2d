/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which processor features a partition has, as masks of its parent's (5.2.8, 5.2.9). Those without a
 * bit in any mask are as the parent has them.
 */
#include "processor.h"

#include "accel/hvtlfs/mutant.h"
#include "target/i386/model.h"

/* What a bit stands for: Intel's and AMD's leaf may both tell it. */
struct bit {
	uint16_t feature, other;
};

/* By bit; 15:0 are those of 5.2.8. */
static const struct bit bank_0[64] = {
	[0] = { F_SSE3 }, [1] = { F_LAHF_LM }, [2] = { F_SSSE3 }, [3] = { F_SSE4_1 }, [4] = { F_SSE4_2 }, [5] = { F_SSE4A }, [6] = { F_XOP },
	[7] = { F_POPCNT }, [8] = { F_CX16 }, [9] = { F_CR8_LEGACY }, [10] = { F_ABM }, [11] = { F_MISALIGNSSE }, [12] = { F_MMXEXT },
	[13] = { F_AMD_3DNOW }, [14] = { F_AMD_3DNOWEXT }, [15] = { F_PDPE1GB }, [16] = { F_AES }, [17] = { F_PCLMULQDQ }, [18] = { F_PCID },
	[19] = { F_FMA4 }, [20] = { F_F16C }, [21] = { F_RDRAND }, [22] = { F_FSGSBASE }, [23] = { F_SMEP }, [24] = { F_ERMS },
	[25] = { F_BMI1 }, [26] = { F_BMI2 }, [29] = { F_MOVBE }, [31] = { F_ZERO_FCS_FDS }, [32] = { F_RDSEED }, [33] = { F_ADX },
	[34] = { F_PREFETCHW }, [35] = { F_SMAP }, [36] = { F_HLE }, [37] = { F_RTM }, [38] = { F_RDTSCP }, [39] = { F_CLFLUSHOPT },
	[40] = { F_CLWB }, [41] = { F_SHA }, [43] = { F_INVPCID }, [44] = { F_SPEC_CTRL, F_IBRS }, [45] = { F_STIBP, F_AMD_STIBP },
	[46] = { F_IBPB }, [48] = { F_SSBD, F_AMD_SSBD }, [49] = { F_FSRM }, [57] = { F_RDPID }, [58] = { F_UMIP },
};
static const struct bit bank_1[64] = { [1] = { F_INVTSC }, [2] = { F_CLZERO }, [4] = { F_LA57 } };
/* 2:0 are those of 5.2.9. */
static const struct bit xsave[64] = {
	[0] = { F_XSAVE }, [1] = { F_XSAVEOPT }, [2] = { F_AVX }, [3] = { F_AVX2 }, [4] = { F_FMA }, [11] = { F_XSAVEC }, [12] = { F_XSAVES },
	[13] = { F_XGETBV1 },
};

static const struct bit *const banks[] = { [HIDDEN_0] = bank_0, [HIDDEN_1] = bank_1, [HIDDEN_XSAVE] = xsave };

uint64_t processor_features(const struct x86_model *m, unsigned bank)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 64; i++) {
		struct bit b = banks[bank][i];

		if ((b.feature && x86_model_has(m, (enum x86_feature)b.feature)) || (b.other && x86_model_has(m, (enum x86_feature)b.other)))
			v |= UINT64_C(1) << i;
	}
	return v;
}

static void remove_bits(struct x86_model *m, unsigned bank, uint64_t bits)
{
	for (unsigned i = 0; i < 64; i++) {
		struct bit b = banks[bank][i];

		if (!(bits >> i & 1))
			continue;
		if (b.feature)
			x86_model_remove(m, (enum x86_feature)b.feature);
		if (b.other)
			x86_model_remove(m, (enum x86_feature)b.other);
	}
}

void processor_hide(struct partition *p, const uint64_t hidden[HIDDEN_COUNT])
{
	p->own_model = *p->parent->model;
	p->own_model.bare = !MUTANT(child_msrs);
	if (MUTANT(child_hypervisor_hidden))
		x86_model_remove(&p->own_model, F_HYPERVISOR);
	for (unsigned bank = 0; bank < HIDDEN_COUNT; bank++) {
		p->hidden[bank] = hidden[bank];
		if (!MUTANT(child_features_kept))
			remove_bits(&p->own_model, bank, hidden[bank]);
	}
}
