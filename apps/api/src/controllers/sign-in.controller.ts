import { Controller, Get, Inject } from '@nestjs/common';
import type { SignInResponse } from '@perfleet/api-contract';
import type { SignIn } from '@perfleet/oidc';
import { Access } from '../access/route-access.ts';
import { SIGN_IN } from '../tokens.ts';

@Controller('api/v1')
export class SignInController {
  constructor(@Inject(SIGN_IN) private readonly signIn: SignIn | null) {}

  /** Asked by a page that has no token yet; it tells what the address bar of the next page shows anyway. */
  @Access('public')
  @Get('sign-in')
  describe(): Promise<SignInResponse> | SignInResponse {
    return this.signIn?.describe() ?? { provider: null, error: '' };
  }
}
